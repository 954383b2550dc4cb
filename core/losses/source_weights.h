// How much each of several sources counts when the worst of their bounds is to become small (Zhao
// et al., "MDAN", NeurIPS 2018, the smooth form):
//
//   (1 / gamma) log sum_k exp(gamma v_k)  has the gradient  sum_k w_k grad v_k,
//   w = softmax(gamma v)
#ifndef ACCLIMATE_CORE_LOSSES_SOURCE_WEIGHTS_H_
#define ACCLIMATE_CORE_LOSSES_SOURCE_WEIGHTS_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// values v: [K], sharpness gamma >= 0 -> w [K], held constant; sums to 1. gamma = 0 weighs all
// alike.
at::Tensor SourceWeights(const at::Tensor& values, double sharpness);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_SOURCE_WEIGHTS_H_
