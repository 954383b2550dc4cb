#include "core/losses/consistency.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor ConsistencyCrossEntropy(const at::Tensor& logits, const at::Tensor& teacher_logits) {
  return -(teacher_logits.detach().softmax(1) * logits.log_softmax(1)).sum(1).mean();
}

}  // namespace acclimate::losses
