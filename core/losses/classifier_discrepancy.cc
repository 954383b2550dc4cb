#include "core/losses/classifier_discrepancy.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor ClassifierDiscrepancy(const at::Tensor& logits, const at::Tensor& other_logits) {
  return (logits.softmax(1) - other_logits.softmax(1)).abs().mean();
}

}  // namespace acclimate::losses
