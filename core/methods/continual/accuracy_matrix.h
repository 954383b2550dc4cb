// What a sequence of tasks did to each of them, from R [T, T]: R[i][j] is the accuracy on task j
// after learning task i (Lopez-Paz & Ranzato, NIPS 2017). Entries above the diagonal are not read.
#ifndef ACCLIMATE_CORE_METHODS_CONTINUAL_ACCURACY_MATRIX_H_
#define ACCLIMATE_CORE_METHODS_CONTINUAL_ACCURACY_MATRIX_H_

#include <ATen/core/Tensor.h>

namespace acclimate::methods {

// R: double [T, T], T >= 1.

// mean_j R[T-1][j]
double AverageAccuracy(const at::Tensor& matrix);
// mean_{j < T-1} R[T-1][j] - R[j][j]; 0 for a single task
double BackwardTransfer(const at::Tensor& matrix);
// mean_{j < T-1} max_{j <= i < T-1} R[i][j] - R[T-1][j]; 0 for a single task (Chaudhry et al., ECCV
// 2018)
double Forgetting(const at::Tensor& matrix);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_CONTINUAL_ACCURACY_MATRIX_H_
