// LogME (You et al., "LogME: Practical Assessment of Pre-trained Models for Transfer Learning",
// ICML 2021): the log evidence, a sample, of a Bayesian linear model from features to labels.
#ifndef ACCLIMATE_CORE_SHIFT_LOGME_H_
#define ACCLIMATE_CORE_SHIFT_LOGME_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

// features: F [N, D]; labels: int64 [N] in [0, classes). Higher is better. For each class, y its
// 0/1 column, sigma the eigenvalues of F'F (all D, zeros too), V its eigenvectors, z = V'F'y,
// t = alpha / beta, iterated until t stands:
//
//   gamma = sum sigma / (sigma + t),    m2 = sum z^2 / (sigma + t)^2,
//   r2 = |y|^2 - 2 sum z^2 / (sigma + t) + sum sigma z^2 / (sigma + t)^2,
//   alpha = gamma / m2,    beta = (N - gamma) / r2,
//   [D/2 ln alpha + N/2 ln beta - 1/2 sum ln(alpha + beta sigma) - beta r2/2 - alpha m2/2
//    - N/2 ln 2 pi] / N,
//
// then the mean over the classes that have samples. In double precision.
double LogMe(const at::Tensor& features, const at::Tensor& labels, int64_t classes);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_LOGME_H_
