// What validators look at: a model's features and logits over a sample of a dataset.
#ifndef ACCLIMATE_CORE_SELECTION_PREDICTIONS_H_
#define ACCLIMATE_CORE_SELECTION_PREDICTIONS_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/train/stop_signal.h"

namespace acclimate::selection {

struct Predictions {
  at::Tensor features;  // float32 [N, D] on the CPU
  at::Tensor logits;    // float32 [N, C] on the CPU
  at::Tensor labels;    // int64 [N]; undefined where they are not known
};

// In evaluation mode, without gradients. CANCELLED as soon as `stop` says so.
absl::StatusOr<Predictions> Predict(model::Model& model, const data::Dataset& dataset,
                                    const at::Device& device, train::StopSignal& stop);

// softmax(logits) alone: float32 [N, C] on the CPU.
absl::StatusOr<at::Tensor> PredictProbabilities(model::Model& model, const data::Dataset& dataset,
                                                const at::Device& device, train::StopSignal& stop);

// At most `count` of so many samples, drawn without replacement by a generator of its own: the same
// seed draws the same ones, and the run's random numbers do not notice. int64, rising.
at::Tensor SampleRows(int64_t samples, int64_t count, uint64_t seed);

// Those of the dataset. A copy with the dataset's normalisation; without labels unless `labels`.
data::Dataset Sample(const data::Dataset& dataset, int64_t count, uint64_t seed, bool labels);

// The same of labelled datasets, `count` divided among them.
std::vector<data::Dataset> SampleEach(const std::vector<data::Dataset>& datasets, int64_t count,
                                      uint64_t seed);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_PREDICTIONS_H_
