// What the domain classifier of CDAN sees (Long et al., "Conditional Adversarial Domain
// Adaptation", NeurIPS 2018): features f and predictions g together.
#ifndef ACCLIMATE_CORE_LOSSES_CONDITIONING_H_
#define ACCLIMATE_CORE_LOSSES_CONDITIONING_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// vec(f (x) g): features [N, D], predictions [N, C] -> [N, D * C], entry d * C + c is f_d g_c.
at::Tensor OuterProduct(const at::Tensor& features, const at::Tensor& predictions);

// Its randomised form, whose inner products have the same expectation:
//
//   (f R_f) . (g R_g) / sqrt(K)    entry by entry, R_f [D, K] and R_g [C, K] fixed, N(0, 1)
at::Tensor RandomizedProduct(const at::Tensor& features, const at::Tensor& predictions,
                             const at::Tensor& feature_projection,
                             const at::Tensor& prediction_projection);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_CONDITIONING_H_
