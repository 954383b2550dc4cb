#include "core/losses/class_confusion.h"

#include <ATen/ATen.h>

#include "core/losses/entropy.h"

namespace acclimate::losses {

at::Tensor ClassConfusion(const at::Tensor& logits, double temperature) {
  // Far below any sum that moves the loss; a class that nobody predicts adds nothing.
  constexpr double kNoDivisionByZero = 1e-30;
  const at::Tensor sharpened = logits / temperature;
  const at::Tensor predictions = sharpened.softmax(1);
  const at::Tensor weights = EntropyWeights(sharpened).unsqueeze(1);
  const at::Tensor confusion = predictions.t().mm(predictions * weights);
  const at::Tensor shares = confusion / confusion.sum(1, true).clamp_min(kNoDivisionByZero);
  return (shares.sum() - shares.trace()) / static_cast<double>(logits.size(1));
}

}  // namespace acclimate::losses
