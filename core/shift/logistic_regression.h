// Regularised logistic regression between two classes, to its optimum.
#ifndef ACCLIMATE_CORE_SHIFT_LOGISTIC_REGRESSION_H_
#define ACCLIMATE_CORE_SHIFT_LOGISTIC_REGRESSION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct LogisticRegression {
  at::Tensor weight;  // [D]
  double bias = 0;

  // [N, D] -> [N]: log odds of class 1.
  at::Tensor LogOdds(const at::Tensor& inputs) const { return inputs.mv(weight) + bias; }
};

// Minimises sum_i v_i log(1 + exp(-s_i (w'x_i + b))) / sum v + (l2 / 2) |w|^2, s_i = -1 or +1 for
// labels 0 and 1, by Newton's method with halved steps. inputs: [N, D] of a scale near 1; labels:
// [N] of 0 and 1; importance: [N] > 0, floating point as the inputs.
LogisticRegression FitLogisticRegression(const at::Tensor& inputs, const at::Tensor& labels,
                                         const at::Tensor& importance, double l2);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_LOGISTIC_REGRESSION_H_
