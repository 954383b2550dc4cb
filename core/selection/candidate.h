// One model that a run might return, as a look at it left it.
#ifndef ACCLIMATE_CORE_SELECTION_CANDIDATE_H_
#define ACCLIMATE_CORE_SELECTION_CANDIDATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/selection/accuracy_estimate.h"
#include "core/selection/sight.h"
#include "core/selection/source_record.h"
#include "core/train/training_state.h"

namespace acclimate::selection {

enum class Form {
  kSource,            // the model as it came
  kSourceStatistics,  // the same with the target's batch-norm statistics
  kAdapted,
};

struct Candidate {
  Form form = Form::kAdapted;
  int64_t step = 0;
  std::map<std::string, double> scores;  // by validator; without those that had nothing to say
  double classes_in_use = 0;
  AccuracyEstimate estimate;
  at::Tensor predicted;      // int64 [N] on the CPU: the classes of the target's samples
  at::Tensor probabilities;  // float16 [N, C] on the CPU, of the same
  // Of the held-out source: float16 [n, C], int64 [n]. Undefined without any.
  at::Tensor home_probabilities, home_labels;
  // Of labels that the guard may ask (guard_labels.h): bool [n] on the CPU, whether the model is
  // right on each sample. Undefined without any.
  at::Tensor right;

  std::string Name() const;  // "source", "source_with_target_statistics", "step_400"
  double score(const std::string& validator) const;  // NaN where it is absent
};

// What validators and estimators tell of a sight. record: of the checkpoint, which without held-out
// source tells something of that form alone.
Candidate Score(const Sight& sight, const absl::optional<SourceRecord>& record, Form form);

// The one definition of collapse: a model that uses fewer than half as many classes, exp of the
// entropy of their shares, as the one of `others` that uses most.
bool Collapsed(const Candidate& candidate, const std::vector<Candidate>& others);

nlohmann::json ToJson(const Candidate& candidate);

// For a task's state.
train::TensorMap ToTensors(const Candidate& candidate);
// INVALID_ARGUMENT: a tensor is missing or misshapen.
absl::StatusOr<Candidate> CandidateFrom(const train::TensorMap& tensors);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_CANDIDATE_H_
