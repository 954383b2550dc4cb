// L2-SP (Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks",
// ICML 2018): weights that were learned before are drawn to where they started, new ones to zero.
//
//   alpha / 2 sum_j ||w_j - w0_j||^2 + beta / 2 sum_k ||v_k||^2
//
// w the weights that have a starting point w0, v those that have none. Without any w it is plain
// L2 (weight decay).
#ifndef ACCLIMATE_CORE_LOSSES_L2_SP_H_
#define ACCLIMATE_CORE_LOSSES_L2_SP_H_

#include <vector>

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// `start` is shaped as `weights` -> scalar. At least one tensor in `weights` or `fresh`.
at::Tensor L2Sp(const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& start,
                const std::vector<at::Tensor>& fresh, double alpha, double beta);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_L2_SP_H_
