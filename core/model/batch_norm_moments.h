// An evaluation graph in which batch norm goes by the batch it sees, and tells its moments.
#ifndef ACCLIMATE_CORE_MODEL_BATCH_NORM_MOMENTS_H_
#define ACCLIMATE_CORE_MODEL_BATCH_NORM_MOMENTS_H_

#include <cstddef>
#include <memory>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>

namespace acclimate::model {

// (self, inputs, share) -> (features, logits, then for each of `layers` mean, variance and count).
//
// layers: places of batch-norm nodes in AllNodes(*evaluation), each in the outermost block. These
// nodes, and others that read the same stored statistics, normalise with
//
//   (1 - share) stored + share batch,   share: a scalar tensor, double
//
// where the batch's variance is the unbiased one, as it is stored. The outputs are of the batch
// alone: mean and biased variance [C], and the number of values of a channel, a scalar int64.
// The inputs of the layers are not kept.
std::shared_ptr<torch::jit::Graph> BatchNormMomentsGraph(
    const std::shared_ptr<torch::jit::Graph>& evaluation, const std::vector<size_t>& layers);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_BATCH_NORM_MOMENTS_H_
