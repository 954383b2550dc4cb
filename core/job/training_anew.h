// What the same model would cost if the target were labelled and it were trained there anew: what
// an adaptation is measured against.
#ifndef ACCLIMATE_CORE_JOB_TRAINING_ANEW_H_
#define ACCLIMATE_CORE_JOB_TRAINING_ANEW_H_

#include <cstdint>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/train/stop_signal.h"

namespace acclimate::job {

struct TrainingAnew {
  int64_t labels = 0;         // that somebody would have to give: one a sample of the target
  int64_t samples_seen = 0;   // in all of training: SamplesSeenAnew()
  double core_seconds = 0;    // for that, from steps timed on a copy of the model
  int64_t changed_bytes = 0;  // of the tensors that come out: all of them
};

// Five epochs, as `finetune` has by default, or 32,000 samples where those are more: a small set
// needs many epochs before a fresh model has learned it.
int64_t SamplesSeenAnew(int64_t target_samples);

// Times forward, backward and an update of every parameter on up to 32 target samples. The model
// and the generators stay as they are.
absl::StatusOr<TrainingAnew> EstimateTrainingAnew(const model::Model& model,
                                                  const data::Dataset& target,
                                                  const at::Device& device,
                                                  train::StopSignal& stop);

// Of tensors, by their sizes and types.
int64_t Bytes(const std::map<std::string, at::Tensor>& tensors);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_TRAINING_ANEW_H_
