// H-score (Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer
// Learning", ICIP 2019): how much of the features' variance lies between the classes.
#ifndef ACCLIMATE_CORE_SHIFT_H_SCORE_H_
#define ACCLIMATE_CORE_SHIFT_H_SCORE_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

// features: f [N, D]; labels: int64 [N] in [0, classes). Higher is better, at most
// min(D, classes - 1).
//
//   tr(cov(f)^+ cov(E[f | y])),
//
// both covariances divided by N; the pseudo-inverse leaves out directions without variance.
double HScore(const at::Tensor& features, const at::Tensor& labels, int64_t classes);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_H_SCORE_H_
