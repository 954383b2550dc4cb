#include "core/losses/distillation.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor KlDistillation(const at::Tensor& student_logits, const at::Tensor& teacher_logits,
                          double temperature) {
  TORCH_CHECK(student_logits.sizes() == teacher_logits.sizes(), "KlDistillation: logits of shapes ",
              student_logits.sizes(), " and ", teacher_logits.sizes());
  const at::Tensor student = (student_logits / temperature).log_softmax(1);
  const at::Tensor teacher = (teacher_logits / temperature).log_softmax(1);
  const at::Tensor divergence = (teacher.exp() * (teacher - student)).sum(1);
  return temperature * temperature * divergence.mean();
}

}  // namespace acclimate::losses
