// LEEP (Nguyen et al., "LEEP: A New Measure to Evaluate Transferability of Learned
// Representations", ICML 2020): how well labels follow from a model's predicted classes, whatever
// those classes mean.
#ifndef ACCLIMATE_CORE_SHIFT_LEEP_H_
#define ACCLIMATE_CORE_SHIFT_LEEP_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

// probabilities: theta [N, Z]; labels: int64 [N] in [0, classes). At most 0; higher is better.
//
//   mean_i ln sum_z P(y_i | z) theta(x_i)_z,
//   P(y | z) = sum_{i: y_i = y} theta(x_i)_z / sum_i theta(x_i)_z.
double Leep(const at::Tensor& probabilities, const at::Tensor& labels, int64_t classes);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_LEEP_H_
