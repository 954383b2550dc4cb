// Stepwise adaptive feature norm (Xu et al., "Larger Norm More Transferable", ICCV 2019): the
// features of both domains grow by a step in length, so that they end on common large norms.
//
//   mean_i (||f_i|| - (held ||f_i|| + r))^2,    the held norm is that before the update
//
// The value is r^2 whatever the features are; what it does is its gradient, -2 r f_i / (n ||f_i||).
#ifndef ACCLIMATE_CORE_LOSSES_FEATURE_NORM_H_
#define ACCLIMATE_CORE_LOSSES_FEATURE_NORM_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// features: [N, D], step r > 0 -> scalar. A row of zeros has no direction and gets no gradient.
at::Tensor StepwiseFeatureNorm(const at::Tensor& features, double step);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_FEATURE_NORM_H_
