// Successive halving (Jamieson & Talwalkar, AISTATS 2016) over slices of each method's own plan:
// every racer runs a first part, the better half goes on, and the last one runs to its end.
#ifndef ACCLIMATE_CORE_METHODS_RACE_RACE_H_
#define ACCLIMATE_CORE_METHODS_RACE_RACE_H_

#include <cstdint>
#include <vector>

namespace acclimate::methods {

// A racer's plan is cut into so many slices.
constexpr int64_t kSlices = 64;

struct Round {
  int64_t racers = 0;
  int64_t begin = 0, end = 0;  // slices done before and after
};

// Rounds that end after 1/8, 1/4 and 1/2 of the plan, each for half of the racers before (rounded
// up), until one is left; that one's last round ends with its plan. racers >= 1.
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
