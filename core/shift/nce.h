// Negative conditional entropy (Tran, Nguyen & Hassner, "Transferability and Hardness of
// Supervised Classification Tasks", ICCV 2019).
#ifndef ACCLIMATE_CORE_SHIFT_NCE_H_
#define ACCLIMATE_CORE_SHIFT_NCE_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

// predicted: int64 [N], a model's classes Z; labels: int64 [N] in [0, classes), Y. At most 0;
// higher is better; 0 when the prediction tells the label.
//
//   -H(Y | Z) = sum_{y,z} P(y, z) ln (P(y, z) / P(z)),    P from counts.
double NegativeConditionalEntropy(const at::Tensor& predicted, const at::Tensor& labels,
                                  int64_t classes);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_NCE_H_
