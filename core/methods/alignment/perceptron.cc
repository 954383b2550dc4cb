#include "core/methods/alignment/perceptron.h"

#include <ATen/ATen.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/model/weight_draw.h"

namespace acclimate::methods {
namespace {

at::Tensor Drawn(at::IntArrayRef shape, int64_t fan_in, const at::Device& device) {
  return model::DrawWeights(shape, fan_in).to(device).requires_grad_();
}

}  // namespace

Perceptron::Perceptron(std::string name, const std::vector<int64_t>& widths, Norm norm,
                       const at::Device& device) {
  int place = 0;  // of linear layers, norms and ReLUs, in the names
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    Layer layer;
    const auto add = [&](absl::string_view part, at::Tensor tensor) {
      parameters_.push_back({absl::StrCat(name, ".", place, ".", part), std::move(tensor)});
      return parameters_.back().tensor;
    };
    if (i > 0) {
      if (norm == Norm::kBatch) {
        const auto options = at::TensorOptions(device);
        layer.norm_weight = add("weight", at::ones({widths[i]}, options).requires_grad_());
        layer.norm_bias = add("bias", at::zeros({widths[i]}, options).requires_grad_());
        ++place;
      }
      ++place;
    }
    layer.weight = add("weight", Drawn({widths[i + 1], widths[i]}, widths[i], device));
    layer.bias = add("bias", Drawn({widths[i + 1]}, widths[i], device));
    ++place;
    layers_.push_back(std::move(layer));
  }
}

at::Tensor Perceptron::Forward(const at::Tensor& inputs) {
  constexpr double kMomentum = 0.1, kEps = 1e-5;
  at::Tensor x = inputs;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    if (layer.norm_weight.defined()) {
      x = at::batch_norm(x, layer.norm_weight, layer.norm_bias, {}, {}, /*training=*/true,
                         kMomentum, kEps, /*cudnn_enabled=*/true);
    }
    if (i > 0) x = x.relu();
    x = at::linear(x, layer.weight, layer.bias);
  }
  return x;
}

train::TensorMap Perceptron::State() const {
  train::TensorMap state;
  for (const train::NamedParameter& parameter : parameters_) {
    state[parameter.name] = parameter.tensor.detach();
  }
  return state;
}

absl::Status Perceptron::Restore(const train::TensorMap& state) {
  return train::CopyInto(State(), state);
}

}  // namespace acclimate::methods
