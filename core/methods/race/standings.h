// What the rounds of a race found.
#ifndef ACCLIMATE_CORE_METHODS_RACE_STANDINGS_H_
#define ACCLIMATE_CORE_METHODS_RACE_STANDINGS_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "core/selection/candidate.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

struct Standing {
  size_t racer = 0;
  double score = 0;  // of the ensemble; kFailedScore where the racer did not run
  selection::Candidate best;
};

constexpr double kFailedScore = -2.0;  // below every score of the ensemble

// One that took part in a round: its candidates, or null where it did not run.
struct Contender {
  size_t racer = 0;
  const std::vector<selection::Candidate>* candidates = nullptr;
};

// Every candidate of every contender before the same ensemble; a contender is as good as its best
// one. The best first.
std::vector<Standing> Judge(const std::vector<Contender>& contenders);

// Of each round that ended, for a task's state.
train::TensorMap ToTensors(const std::vector<std::vector<Standing>>& rounds);
absl::StatusOr<std::vector<std::vector<Standing>>> StandingsFrom(const train::TensorMap& tensors);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_RACE_STANDINGS_H_
