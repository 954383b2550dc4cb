#include "core/methods/few_shot/linear_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace acclimate::methods {

absl::StatusOr<LinearHead> LinearHead::Of(model::Model& model) {
  const auto no_linear_layer = [] {
    return absl::InvalidArgumentError("checkpoint: the classifier is no plain linear layer");
  };
  const int64_t classes = model.num_classes(), width = model.feature_size();
  LinearHead head;
  for (const model::Parameter& parameter : model.parameters()) {
    if (!parameter.head) continue;
    const bool bias = parameter.tensor.dim() == 1;
    at::Tensor& place = bias ? head.bias_ : head.weight_;
    if (place.defined()) return no_linear_layer();
    place = parameter.tensor;
    (bias ? head.bias_name_ : head.weight_name_) = parameter.name;
  }
  if (!head.weight_.defined() || width == 0 || head.weight_.size(0) != classes ||
      head.weight_.numel() != classes * width) {
    return no_linear_layer();
  }
  // A transposed weight or a scaled one has the same shape, not the same logits.
  const at::NoGradGuard no_grad;
  const at::Tensor probe =
      at::arange(width, head.weight_.options()).add_(1).reciprocal_().unsqueeze(0);
  const at::Tensor expected = model.ClassifyFeatures(probe);
  if (!head.Logits(probe, head.Parameters()).allclose(expected, 1e-4, 1e-5)) {
    return no_linear_layer();
  }
  return head;
}

std::map<std::string, at::Tensor> LinearHead::Parameters() const {
  std::map<std::string, at::Tensor> parameters = {{weight_name_, weight_}};
  if (bias_.defined()) parameters[bias_name_] = bias_;
  return parameters;
}

std::map<std::string, at::Tensor> LinearHead::Named(const at::Tensor& weight,
                                                    const at::Tensor& bias) const {
  std::map<std::string, at::Tensor> parameters = {{weight_name_, weight.view_as(weight_)}};
  if (bias_.defined()) parameters[bias_name_] = bias;
  return parameters;
}

at::Tensor LinearHead::Logits(const at::Tensor& features,
                              const std::map<std::string, at::Tensor>& parameters) const {
  const at::Tensor weight = parameters.at(weight_name_).flatten(1);
  return at::linear(features, weight, bias_.defined() ? parameters.at(bias_name_) : at::Tensor());
}

}  // namespace acclimate::methods
