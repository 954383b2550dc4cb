#include "core/losses/soft_likelihood_ratio.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor SoftLikelihoodRatio(const at::Tensor& logits) {
  constexpr double kLargest = 0.99, kNoLogarithmOfZero = 1e-5;
  const at::Tensor p = logits.softmax(1).clamp_max(kLargest);
  return -(p * (p / (1 - p) + kNoLogarithmOfZero).log()).sum(1);
}

}  // namespace acclimate::losses
