// Symmetric cross-entropy between two predictions of a sample (Wang et al., ICCV 2019; between a
// sample and its view: Dobler et al., "Robust Mean Teacher", CVPR 2023):
//
//   SCE_i = -(1/2) sum_c q_ic log p_ic - (1/2) sum_c p_ic log q_ic
#ifndef ACCLIMATE_CORE_LOSSES_SYMMETRIC_CROSS_ENTROPY_H_
#define ACCLIMATE_CORE_LOSSES_SYMMETRIC_CROSS_ENTROPY_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// Logits of p and of q, [N, C] each -> [N]. Gradients flow to both.
at::Tensor SymmetricCrossEntropy(const at::Tensor& logits, const at::Tensor& other_logits);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_SYMMETRIC_CROSS_ENTROPY_H_
