// Deep CORAL (Sun & Saenko, ECCV 2016 workshops): match the covariances of two domains.
//
//   ||C_s - C_t||_F^2 / (4 D^2),    C = A'A / (n - 1) with A the centred samples.
//
// The same through n x n Gram matrices, cheaper when there are fewer samples than features:
//
//   [ ||AA'||^2/(n-1)^2 + ||BB'||^2/(m-1)^2 - 2 ||AB'||^2/((n-1)(m-1)) ] / (4 D^2)
#ifndef ACCLIMATE_CORE_LOSSES_CORAL_H_
#define ACCLIMATE_CORE_LOSSES_CORAL_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// source: [n, D], target: [m, D], n and m at least 2 -> scalar, through the form that needs fewer
// operations.
at::Tensor DeepCoral(const at::Tensor& source, const at::Tensor& target);

// The two forms by name; equal but for rounding.
at::Tensor DeepCoralByCovariance(const at::Tensor& source, const at::Tensor& target);
at::Tensor DeepCoralByGram(const at::Tensor& source, const at::Tensor& target);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_CORAL_H_
