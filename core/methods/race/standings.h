// What the rounds of a race found.
#ifndef ACCLIMATE_CORE_METHODS_RACE_STANDINGS_H_
#define ACCLIMATE_CORE_METHODS_RACE_STANDINGS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/selection/candidate.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

struct Standing {
  size_t racer = 0;
  double score = 0;                           // of the ensemble
  absl::optional<selection::Candidate> seen;  // absent where the racer did not run
};

// One that took part in a round, as it was last seen; null where it did not run.
struct Contender {
  size_t racer = 0;
  const selection::Candidate* seen = nullptr;
};

// All contenders and the source model's forms before the same ensemble. The best first; those that
// did not run are the last.
std::vector<Standing> Judge(const std::vector<selection::Candidate>& source_forms,
                            const std::vector<Contender>& contenders);

// One that ran and has not collapsed.
bool CanTeach(const Standing& standing);

// What the mean of the first `most` that can teach says of the examiner's samples: int64 [N];
// undefined where none can.
at::Tensor LeadersSay(const std::vector<Standing>& standings, int64_t most);

// For the report, without the unfit: each racer as it was last seen, and whether it went on, as the
// first `going_on` did that can teach. names, unfit: by racer.
nlohmann::json ToJson(const std::vector<Standing>& standings, const std::vector<std::string>& names,
                      const std::vector<bool>& unfit, int64_t going_on);

// Of each round that ended, for a task's state.
train::TensorMap ToTensors(const std::vector<std::vector<Standing>>& rounds);
absl::StatusOr<std::vector<std::vector<Standing>>> StandingsFrom(const train::TensorMap& tensors);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_RACE_STANDINGS_H_
