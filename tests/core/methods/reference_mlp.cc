#include "tests/core/methods/reference_mlp.h"

#include <ATen/ATen.h>

namespace acclimate::testing {

Moments OfTheBatch(const std::string&, const at::Tensor& input) {
  return {input.mean(0), input.var(0, /*unbiased=*/false)};
}

ReferenceMlp::ReferenceMlp(const model::Model& model) {
  for (const auto& [name, tensor] : model.StateDict()) {
    tensors_[name] = tensor.detach().to(at::kDouble);
  }
}

model::ForwardResult ReferenceMlp::Forward(const at::Tensor& inputs,
                                           const Statistics& statistics) const {
  at::Tensor x = inputs.to(at::kDouble).flatten(1);
  x = Block("fc1", "bn1", x, statistics);
  x = Block("fc2", "bn2", x, statistics);
  x = Block("bottleneck.0", "bottleneck.1", x, statistics);
  return {x, Linear("fc", x)};
}

at::Tensor ReferenceMlp::Linear(const std::string& layer, const at::Tensor& input) const {
  return input.mm(tensors_.at(layer + ".weight").t()) + tensors_.at(layer + ".bias");
}

at::Tensor ReferenceMlp::Block(const std::string& linear, const std::string& norm,
                               const at::Tensor& input, const Statistics& statistics) const {
  constexpr double kEps = 1e-5;
  const at::Tensor x = Linear(linear, input);
  const Moments moments = statistics(norm, x);
  const at::Tensor normalised = (x - moments.mean) / (moments.variance + kEps).sqrt();
  return (normalised * tensors_.at(norm + ".weight") + tensors_.at(norm + ".bias")).relu();
}

}  // namespace acclimate::testing
