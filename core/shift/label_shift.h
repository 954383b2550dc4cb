// Label shift: p(x | y) is that of the source, the shares of the classes are not. From a held-out
// labelled sample of the source, and the predictions for an unlabelled one of the target, estimates
// the target's prior q(y); p(y) is the prior of the held-out source.
//
//   C[i][j] = P_source(yhat = i, y = j),  mu[i] = P_target(yhat = i),  w[j] = q(j) / p(j)
//   BBSE (Lipton et al., ICML 2018):          C w = mu, w >= 0 by clipping
//   RLLS (Azizzadenesheli et al., ICLR 2019): w = 1 + theta, theta = argmin_{theta >= -1}
//                                             ||C theta - (mu - C 1)||_2 + rho ||theta||_2
//   EM   (Saerens et al., Neural Computation 14, 2002): q <- mean_i r_i, starting at q = p,
//                                             r_ij = p(j|x_i) w_j / sum_k p(k|x_i) w_k
//
// EM needs calibrated probabilities (Alexandari et al., ICML 2020), the others do not.
#ifndef ACCLIMATE_CORE_SHIFT_LABEL_SHIFT_H_
#define ACCLIMATE_CORE_SHIFT_LABEL_SHIFT_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

namespace acclimate::shift {

enum class PriorEstimator { kBbse, kRlls, kEm };

struct LabelShiftEvidence {
  at::Tensor confusion;      // int64 [C, C], held-out source: row = true class, column = predicted
  at::Tensor probabilities;  // double [N, C], of the target, as the confusion was predicted
};

// p(y) of the held-out source: double [C].
at::Tensor SourcePrior(const at::Tensor& confusion);

// w: double [C]. `predicted`: int64 [C], how often each class was predicted in the target.
// FAILED_PRECONDITION names the classes between which the predictions do not tell (BBSE), or those
// without held-out samples (both).
absl::StatusOr<at::Tensor> BbseWeights(const at::Tensor& confusion, const at::Tensor& predicted);
absl::StatusOr<at::Tensor> RllsWeights(const at::Tensor& confusion, const at::Tensor& predicted);

// q: double [C]. probabilities: double [N, C]; `start` is where q begins.
at::Tensor EmPrior(const at::Tensor& probabilities, const at::Tensor& source_prior,
                   const at::Tensor& start);

// q by any of the three; sums to 1.
absl::StatusOr<at::Tensor> EstimatePrior(PriorEstimator estimator,
                                         const LabelShiftEvidence& evidence);

struct PriorInterval {
  at::Tensor low, high;  // double [C]: the 2.5 and 97.5 % quantiles
};

// Bootstrap over the samples of both domains (of the target alone for EM, whose calibration stays
// as it is), drawn from the default CPU generator. `prior` is EstimatePrior()'s. Draws in which
// BBSE fails are left out; without any other, the interval is [0, 1].
PriorInterval BootstrapPrior(PriorEstimator estimator, const LabelShiftEvidence& evidence,
                             const at::Tensor& prior, int64_t draws);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_LABEL_SHIFT_H_
