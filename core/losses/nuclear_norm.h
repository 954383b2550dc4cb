// Batch nuclear-norm maximisation (Cui et al., CVPR 2020): predictions that are both sure and
// diverse have a large nuclear norm.
//
//   -||P||_* / N,    P = softmax(logits) [N, C],    ||P||_* = sum of the singular values
//
// The gradient of ||P||_* is U V', without differences of singular values in a denominator.
#ifndef ACCLIMATE_CORE_LOSSES_NUCLEAR_NORM_H_
#define ACCLIMATE_CORE_LOSSES_NUCLEAR_NORM_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits: [N, C] -> scalar in [-sqrt(min(N, C) / N), 0). Not a number when a logit is none.
// Differentiable once: a second derivative raises c10::Error.
at::Tensor BatchNuclearNorm(const at::Tensor& logits);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_NUCLEAR_NORM_H_
