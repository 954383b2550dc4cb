// Validators that look at both domains: how the source's risk carries over to the target. Higher is
// better.
#ifndef ACCLIMATE_CORE_SELECTION_DOMAIN_WEIGHTS_H_
#define ACCLIMATE_CORE_SELECTION_DOMAIN_WEIGHTS_H_

#include <ATen/core/Tensor.h>

namespace acclimate::selection {

// The probability that each row is of the target, from one logistic regression on both domains'
// features, standardised together:
//
//   min_w,b mean_i [ log(1 + e^{z_i}) - t_i z_i ] + (lambda/2) |w|^2,  z = Xw + b, lambda = 0.01
//
// by Newton's method. source: [n, D], target: [m, D] -> double [n + m].
at::Tensor TargetProbability(const at::Tensor& source, const at::Tensor& target);

// Density ratios of the source's rows, w_i = (n/m) J(t|x_i) / J(s|x_i): double [n].
at::Tensor DensityRatios(const at::Tensor& source, const at::Tensor& target);

// Deep embedded validation (You et al., ICML 2019), with losses l_i [n] on held-out source samples:
//
//   -R,  R = mean(w l) + eta mean(w) - eta,  eta = -Cov(w l, w) / Var(w)
double DeepEmbeddedValidation(const at::Tensor& weights, const at::Tensor& losses);

// The share of target samples whose prediction is the class of the nearest centroid of the source's
// true classes (by cosine): features [n, D], labels int64 [n]; target features [m, D], logits
// [m, C].
double NearestSource(const at::Tensor& source_features, const at::Tensor& source_labels,
                     const at::Tensor& target_features, const at::Tensor& target_logits);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_DOMAIN_WEIGHTS_H_
