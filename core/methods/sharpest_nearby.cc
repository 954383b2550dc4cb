#include "core/methods/sharpest_nearby.h"

#include <ATen/ATen.h>

#include "core/train/gradients.h"

namespace acclimate::methods {

std::map<std::string, at::Tensor> SharpestNearby(
    const at::Tensor& loss, const std::vector<train::NamedParameter>& parameters, double rho) {
  constexpr double kNoDivisionByZero = 1e-12;
  std::vector<at::Tensor> tensors;
  for (const train::NamedParameter& parameter : parameters) tensors.push_back(parameter.tensor);
  const std::vector<at::Tensor> gradients = train::Gradients(loss, tensors);
  at::Tensor square = at::zeros({}, loss.options().requires_grad(false));
  for (const at::Tensor& gradient : gradients) {
    if (gradient.defined()) square = square + gradient.square().sum();
  }
  const at::Tensor scale = rho / (square.sqrt() + kNoDivisionByZero);
  std::map<std::string, at::Tensor> nearby;
  for (size_t i = 0; i < tensors.size(); ++i) {
    nearby[parameters[i].name] =
        gradients[i].defined() ? tensors[i] + scale * gradients[i] : tensors[i];
  }
  return nearby;
}

}  // namespace acclimate::methods
