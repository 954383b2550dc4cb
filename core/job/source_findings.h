// What a run sees of the source model before its first step.
#ifndef ACCLIMATE_CORE_JOB_SOURCE_FINDINGS_H_
#define ACCLIMATE_CORE_JOB_SOURCE_FINDINGS_H_

#include <cstdint>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "core/job/evaluation.h"
#include "core/job/target_predictions.h"
#include "core/train/training_state.h"

namespace acclimate::job {

// Part of the training state: a run that is taken up again measures none of it again.
struct SourceFindings {
  Evaluation evaluation;          // undefined tensors: nothing was counted
  TargetPredictions predictions;  // undefined tensors: there is no source model
  nlohmann::json view;            // of its features; null: none was taken

  void AddTo(train::TrainingState& state) const;
  // What the state has, of a target of so many samples. INVALID_ARGUMENT: it is damaged.
  static absl::StatusOr<SourceFindings> From(const train::TrainingState& state,
                                             int64_t target_samples);
};

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_SOURCE_FINDINGS_H_
