// Distillation of predictions (Hinton, Vinyals & Dean, arXiv:1503.02531, 2015):
//
//   T^2 mean_i KL( softmax(t_i / T) || softmax(s_i / T) )
//
// T^2 keeps the size of the gradients as the temperature T grows.
#ifndef ACCLIMATE_CORE_LOSSES_DISTILLATION_H_
#define ACCLIMATE_CORE_LOSSES_DISTILLATION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// student_logits, teacher_logits: [N, C], temperature T > 0 -> scalar, >= 0, and 0 for equal
// predictions.
at::Tensor KlDistillation(const at::Tensor& student_logits, const at::Tensor& teacher_logits,
                          double temperature);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_DISTILLATION_H_
