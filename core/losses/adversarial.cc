#include "core/losses/adversarial.h"

#include <ATen/ATen.h>
#include <torch/autograd.h>

namespace acclimate::losses {
namespace {

class Reversal : public torch::autograd::Function<Reversal> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& features,
                            const at::Tensor& lambda) {
    context->saved_data["lambda"] = lambda;
    return features.view_as(features);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0] * context->saved_data["lambda"].toTensor().neg(), at::Tensor()};
  }
};

// losses: [n, 1]; weights: [n] or undefined.
at::Tensor WeightedMean(const at::Tensor& losses, const at::Tensor& weights) {
  return weights.defined() ? (losses.squeeze(1) * weights).mean() : losses.mean();
}

}  // namespace

at::Tensor ReverseGradient(const at::Tensor& features, const at::Tensor& lambda) {
  return Reversal::apply(features, lambda);
}

at::Tensor ReversalSchedule(const at::Tensor& progress) {
  return 2 / (1 + (progress * -10).exp()) - 1;
}

at::Tensor DomainAdversarialLoss(const at::Tensor& source_domain_logits,
                                 const at::Tensor& target_domain_logits,
                                 const at::Tensor& source_weights,
                                 const at::Tensor& target_weights) {
  // -log sigmoid(z) = softplus(-z) for the source, -log(1 - sigmoid(z)) = softplus(z) for the
  // target; log_sigmoid is exact where softplus has a threshold.
  const at::Tensor source = WeightedMean(-at::log_sigmoid(source_domain_logits), source_weights);
  const at::Tensor target = WeightedMean(-at::log_sigmoid(-target_domain_logits), target_weights);
  return 0.5 * (source + target);
}

}  // namespace acclimate::losses
