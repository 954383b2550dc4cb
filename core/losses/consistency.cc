#include "core/losses/consistency.h"

#include <ATen/ATen.h>

#include <tuple>

namespace acclimate::losses {

at::Tensor ConsistencyCrossEntropy(const at::Tensor& logits, const at::Tensor& teacher_logits) {
  return -(teacher_logits.detach().softmax(1) * logits.log_softmax(1)).sum(1).mean();
}

at::Tensor ConfidentCrossEntropy(const at::Tensor& logits, const at::Tensor& teacher_logits) {
  const auto [confidence, label] = teacher_logits.detach().softmax(1).max(1);
  const at::Tensor log_p = logits.log_softmax(1).gather(1, label.unsqueeze(1)).squeeze(1);
  return -(confidence * log_p).mean();
}

}  // namespace acclimate::losses
