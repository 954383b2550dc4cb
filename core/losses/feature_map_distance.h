// DELTA (Li et al., "DELTA: Deep Learning Transfer using Feature Map with Attention", ICLR 2019):
// what a network computes stays close to what the network that it started from computes, the more
// so in filters that the task needs.
//
//   C / (2 P) sum_j W_j ||FM_j - FM0_j||^2,    the mean over the samples
//
// FM_j the map of filter j, FM0_j that of the starting point, C filters of P places. The factor
// C / (2 P) is the authors' code's, which lets levels of different sizes count alike; there samples
// are summed.
//
//   W = softmax_j(L without filter j - L)
#ifndef ACCLIMATE_CORE_LOSSES_FEATURE_MAP_DISTANCE_H_
#define ACCLIMATE_CORE_LOSSES_FEATURE_MAP_DISTANCE_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// maps, start: [N, C] or [N, C, ...] alike; attention W: [C] -> scalar. `start` gets no gradient.
at::Tensor FeatureMapDistance(const at::Tensor& maps, const at::Tensor& start,
                              const at::Tensor& attention);

// losses_without: [C], the loss with each filter at zero; loss: that of the whole network -> W [C].
at::Tensor FilterAttention(const at::Tensor& losses_without, double loss);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_FEATURE_MAP_DISTANCE_H_
