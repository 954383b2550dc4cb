// TransRate (Huang et al., "Frustratingly Easy Transferability Estimation", ICML 2022): the
// features' coding rate beyond that of the single classes, an estimate of the mutual information of
// features and labels.
#ifndef ACCLIMATE_CORE_SHIFT_TRANSRATE_H_
#define ACCLIMATE_CORE_SHIFT_TRANSRATE_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

// features: [N, D], centred here and scaled to a mean squared length of 1, so that the scale of a
// model's features does not decide; labels: int64 [N] in [0, classes). Higher is better.
//
//   R(Z) - sum_c (n_c / N) R(Z_c),    R(Z) = 1/2 ln det(I + Z'Z / (rows epsilon)).
double TransRate(const at::Tensor& features, const at::Tensor& labels, int64_t classes,
                 double epsilon = 1e-4);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_TRANSRATE_H_
