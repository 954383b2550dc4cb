// Minimum class confusion (Jin et al., ECCV 2020): the classes that predictions mix up.
//
//   Y = softmax(z / T) [N, C],    C_jk = sum_i w_i Y_ij Y_ik,    w = entropy weights of z / T
//   loss = (1 / C) sum_j sum_{k != j} C_jk / sum_l C_jl
#ifndef ACCLIMATE_CORE_LOSSES_CLASS_CONFUSION_H_
#define ACCLIMATE_CORE_LOSSES_CLASS_CONFUSION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits: [N, C], temperature T > 0 -> scalar in [0, (C - 1) / C]. Finite for any finite logits.
at::Tensor ClassConfusion(const at::Tensor& logits, double temperature);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_CLASS_CONFUSION_H_
