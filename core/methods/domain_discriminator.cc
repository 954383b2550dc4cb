#include "core/methods/domain_discriminator.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"

namespace acclimate::methods {

namespace nn = torch::nn;

struct DomainDiscriminator::Network {
  nn::Sequential layers;
};

DomainDiscriminator::DomainDiscriminator(int64_t features, int64_t width, const at::Device& device)
    : network_(std::make_unique<Network>()) {
  network_->layers = nn::Sequential(nn::Linear(features, width), nn::BatchNorm1d(width), nn::ReLU(),
                                    nn::Linear(width, width), nn::BatchNorm1d(width), nn::ReLU(),
                                    nn::Linear(width, 1));
  network_->layers->to(device);
}

DomainDiscriminator::~DomainDiscriminator() = default;

at::Tensor DomainDiscriminator::Forward(const at::Tensor& features) {
  return network_->layers->forward(features);
}

std::vector<train::NamedParameter> DomainDiscriminator::Parameters() const {
  std::vector<train::NamedParameter> parameters;
  for (const auto& item : network_->layers->named_parameters()) {
    parameters.push_back({absl::StrCat("discriminator.", item.key()), item.value()});
  }
  return parameters;
}

train::TensorMap DomainDiscriminator::State() const {
  train::TensorMap state;
  for (const auto& item : network_->layers->named_parameters()) {
    state[item.key()] = item.value().detach();
  }
  for (const auto& item : network_->layers->named_buffers()) state[item.key()] = item.value();
  return state;
}

absl::Status DomainDiscriminator::Restore(const train::TensorMap& state) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : State()) {
    const auto it = state.find(name);
    if (it == state.end() || it->second.sizes() != tensor.sizes()) {
      return absl::InvalidArgumentError(
          absl::StrCat("training state: no fitting discriminator tensor ", name));
    }
    tensor.copy_(it->second);
  }
  return absl::OkStatus();
}

}  // namespace acclimate::methods
