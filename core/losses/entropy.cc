#include "core/losses/entropy.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor Entropy(const at::Tensor& logits) {
  // p log p stays finite: log-softmax of finite logits is finite even where p underflows to 0.
  at::Tensor log_probabilities = logits.log_softmax(1);
  return -(log_probabilities.exp() * log_probabilities).sum(1);
}

at::Tensor MeanEntropy(const at::Tensor& logits) { return Entropy(logits).mean(); }

at::Tensor EntropyWeights(const at::Tensor& logits) {
  const at::Tensor weights = 1 + (-Entropy(logits.detach())).exp();
  return weights / weights.mean();
}

}  // namespace acclimate::losses
