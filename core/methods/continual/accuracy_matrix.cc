#include "core/methods/continual/accuracy_matrix.h"

#include <ATen/ATen.h>

namespace acclimate::methods {

double AverageAccuracy(const at::Tensor& matrix) {
  return matrix[matrix.size(0) - 1].mean().item<double>();
}

double BackwardTransfer(const at::Tensor& matrix) {
  const int64_t last = matrix.size(0) - 1;
  if (last == 0) return 0;
  return (matrix[last] - matrix.diag()).slice(0, 0, last).mean().item<double>();
}

double Forgetting(const at::Tensor& matrix) {
  const int64_t last = matrix.size(0) - 1;
  if (last == 0) return 0;
  double sum = 0;
  for (int64_t task = 0; task < last; ++task) {
    const at::Tensor of_task = matrix.select(1, task);
    const at::Tensor best = of_task.slice(0, task, last).max();
    sum += (best - of_task[last]).item<double>();
  }
  return sum / static_cast<double>(last);
}

}  // namespace acclimate::methods
