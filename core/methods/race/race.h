// The course of a race: every racer runs the first half of its plan, the best go on to the end, and
// one network learns from them.
#ifndef ACCLIMATE_CORE_METHODS_RACE_RACE_H_
#define ACCLIMATE_CORE_METHODS_RACE_RACE_H_

#include <cstdint>
#include <vector>

namespace acclimate::methods {

// A racer's plan is cut into so many slices.
constexpr int64_t kSlices = 64;
// So many run to their end; what they agree on is taught (docs/methods/auto.md).
constexpr int64_t kFinalists = 4;

struct Round {
  int64_t racers = 0;
  int64_t begin = 0, end = 0;  // slices done before and after
};

// A round of all over the first half of their plans, and one of kFinalists over the second; of no
// more racers than that a single one. racers >= 1.
std::vector<Round> RaceRounds(int64_t racers);

// The outer steps of all rounds, one a slice of a racer.
int64_t RaceSteps(const std::vector<Round>& rounds);

// Where an outer step, counted from 0, belongs.
struct RacePlace {
  size_t round = 0;
  size_t racer = 0;   // among those of the round
  int64_t slice = 0;  // done once the step is
  bool round_ends = false;
};
RacePlace PlaceOf(const std::vector<Round>& rounds, int64_t step);

// The last of a plan's steps once `slice` slices are done.
int64_t StepsAfter(int64_t slice, int64_t total_steps);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_RACE_RACE_H_
