// AdaBN (Li et al., arXiv:1603.04779, 2016): batch-norm statistics of the target domain.
#ifndef ACCLIMATE_CORE_METHODS_TARGET_STATISTICS_H_
#define ACCLIMATE_CORE_METHODS_TARGET_STATISTICS_H_

#include <cstddef>

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

// Those of the layer's input over the whole dataset, in evaluation mode as the model stands.
absl::StatusOr<ChannelStatistics> InputStatistics(model::Model& model, size_t layer,
                                                  const data::Dataset& dataset,
                                                  const at::Device& device,
                                                  train::StopSignal& stop);

// Replaces the statistics of one batch-norm layer by (1 - alpha) stored + alpha target, where the
// target's are those of the layer's input over the whole dataset with the layers before it as they
// stand now: exact when the layers are taken in order. The variance is the unbiased one, which is
// what PyTorch stores. A layer without statistics stays as it is. CANCELLED: nothing was changed.
absl::Status AdaptLayerStatistics(model::Model& model, size_t layer, const data::Dataset& target,
                                  const at::Device& device, double alpha, train::StopSignal& stop);

// Every layer in order, alpha = 1; nothing for a model without batch norm. CANCELLED: to be
// repeated from the first layer, with the same result.
absl::Status RecomputeStatistics(model::Model& model, const data::Dataset& target,
                                 const at::Device& device, train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TARGET_STATISTICS_H_
