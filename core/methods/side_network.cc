#include "core/methods/side_network.h"

#include <torch/nn.h>
#include <torch/types.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::methods {

namespace nn = torch::nn;

struct SideNetwork::Layers {
  nn::Sequential sequence;
};

SideNetwork::SideNetwork(std::string name, const std::vector<int64_t>& widths,
                         const at::Device& device)
    : name_(std::move(name)), layers_(std::make_unique<Layers>()) {
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    if (i > 0) layers_->sequence->push_back(nn::ReLU());
    layers_->sequence->push_back(nn::Linear(widths[i], widths[i + 1]));
  }
  layers_->sequence->to(device);
}

SideNetwork::~SideNetwork() = default;

at::Tensor SideNetwork::Forward(const at::Tensor& inputs) {
  return layers_->sequence->forward(inputs);
}

std::vector<train::NamedParameter> SideNetwork::Parameters() const {
  std::vector<train::NamedParameter> parameters;
  for (const auto& item : layers_->sequence->named_parameters()) {
    parameters.push_back({absl::StrCat(name_, ".", item.key()), item.value()});
  }
  return parameters;
}

train::TensorMap SideNetwork::State() const {
  train::TensorMap state;
  for (const train::NamedParameter& parameter : Parameters()) {
    state[parameter.name] = parameter.tensor.detach();
  }
  return state;
}

absl::Status SideNetwork::Restore(const train::TensorMap& state) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : State()) {
    const auto it = state.find(name);
    if (it == state.end() || it->second.sizes() != tensor.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat("training state: no fitting tensor ", name));
    }
    tensor.copy_(it->second);
  }
  return absl::OkStatus();
}

}  // namespace acclimate::methods
