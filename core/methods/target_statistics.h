// AdaBN (Li et al., arXiv:1603.04779, 2016): batch-norm statistics of the target domain.
//
// From one pass: each layer normalises with the moments of the large batch that it sees, and the
// moments of all batches are merged (Wu & Johnson, "Rethinking 'Batch' in BatchNorm",
// arXiv:2105.07576, 2021, call it precise batch norm). Where the dataset is one batch this is what
// the exact form gives, which takes a pass a layer.
#ifndef ACCLIMATE_CORE_METHODS_TARGET_STATISTICS_H_
#define ACCLIMATE_CORE_METHODS_TARGET_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

struct ChannelStatistics {
  at::Tensor mean, variance;  // double [C]; the variance is the unbiased one
};

// What a pass saw of the samples at `index` (int64 [B]), beside the moments.
using SeeOutputs =
    std::function<void(const at::Tensor& index, const model::ForwardResult& outputs)>;

// The samples of a batch in such a pass: as PassBatchSize(), at least 64.
int64_t StatisticsBatchSize(const std::vector<int64_t>& sample_shape);

// Those of the input of every batch-norm layer over the whole dataset, from one pass in which a
// layer normalises with (1 - share) of what is stored and `share` of what its batch has. At
// share = 0: of the model in evaluation mode as it stands. The model stays as it is.
absl::StatusOr<std::vector<ChannelStatistics>> MeasureStatistics(
    model::Model& model, const data::Dataset& dataset, const at::Device& device, double share,
    train::StopSignal& stop, const SeeOutputs& see = nullptr);

// Replaces the statistics of every batch-norm layer by (1 - alpha) stored + alpha target, from one
// pass. The variance is the unbiased one, which is what PyTorch stores. Nothing for a model without
// batch norm; a layer without statistics stays as it is. CANCELLED: nothing was changed.
absl::Status AdaptStatistics(model::Model& model, const data::Dataset& target,
                             const at::Device& device, double alpha, train::StopSignal& stop,
                             const SeeOutputs& see = nullptr);

// The same with alpha = 1.
absl::Status RecomputeStatistics(model::Model& model, const data::Dataset& target,
                                 const at::Device& device, train::StopSignal& stop);

// The exact form, of one layer, from a pass of its own: the target's statistics are those of the
// layer's input with the layers before it as they stand now. Exact when the layers are taken in
// order. CANCELLED: nothing was changed.
absl::Status AdaptLayerStatistics(model::Model& model, size_t layer, const data::Dataset& target,
                                  const at::Device& device, double alpha, train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TARGET_STATISTICS_H_
