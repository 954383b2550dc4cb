// Passes over a whole dataset, without gradients, that can be stopped between batches.
#ifndef ACCLIMATE_CORE_TRAIN_PASS_H_
#define ACCLIMATE_CORE_TRAIN_PASS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/train/stop_signal.h"

namespace acclimate::train {

// As many samples as fill about 8 MiB, from 16 to 512: big enough for good GEMMs, small enough for
// the activations of an image network.
int64_t PassBatchSize(const std::vector<int64_t>& sample_shape);

// Calls visit(begin, batch) over the dataset in order. CANCELLED as soon as `stop` says so.
absl::Status ForEachBatch(const data::Dataset& dataset, const at::Device& device, StopSignal& stop,
                          const std::function<void(int64_t begin, const data::Batch&)>& visit);

// The same in batches of which each is a sample of the whole, however the file is sorted: as few as
// can be of at most `most_samples`, sizes that differ by one at most, the samples dealt out at
// random, alike in every run. index: int64 [B] on the CPU, rising: the samples of the batch.
absl::Status ForEachMixedBatch(
    const data::Dataset& dataset, const at::Device& device, int64_t most_samples, StopSignal& stop,
    const std::function<void(const at::Tensor& index, const data::Batch&)>& visit);

// Adds the batch to counts [C, C] (int64, CPU): row = true class, column = predicted class.
void CountPredictions(const at::Tensor& logits, const at::Tensor& labels, at::Tensor& counts);

// The confusion matrix [C, C] of the model in evaluation mode over a labelled dataset.
absl::StatusOr<at::Tensor> ConfusionMatrix(model::Model& model, const data::Dataset& dataset,
                                           const at::Device& device, StopSignal& stop);

// Share of the samples on the diagonal, in [0, 1].
double Accuracy(const at::Tensor& confusion);
// The same by true class; NaN for a class without samples.
std::vector<double> PerClassAccuracy(const at::Tensor& confusion);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_PASS_H_
