#include "core/losses/symmetric_cross_entropy.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor SymmetricCrossEntropy(const at::Tensor& logits, const at::Tensor& other_logits) {
  const at::Tensor log_p = logits.log_softmax(1), log_q = other_logits.log_softmax(1);
  return -0.5 * (log_q.exp() * log_p + log_p.exp() * log_q).sum(1);
}

}  // namespace acclimate::losses
