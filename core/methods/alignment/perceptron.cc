#include "core/methods/alignment/perceptron.h"

#include <torch/nn.h>
#include <torch/types.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::methods {

namespace nn = torch::nn;

struct Perceptron::Network {
  nn::Sequential layers;
};

Perceptron::Perceptron(std::string name, const std::vector<int64_t>& widths, Norm norm,
                       const at::Device& device)
    : name_(std::move(name)), network_(std::make_unique<Network>()) {
  nn::Sequential& layers = network_->layers;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    if (i > 0) {
      if (norm == Norm::kBatch) layers->push_back(nn::BatchNorm1d(widths[i]));
      layers->push_back(nn::ReLU());
    }
    layers->push_back(nn::Linear(widths[i], widths[i + 1]));
  }
  layers->to(device);
}

Perceptron::~Perceptron() = default;

at::Tensor Perceptron::Forward(const at::Tensor& inputs) {
  return network_->layers->forward(inputs);
}

std::vector<train::NamedParameter> Perceptron::Parameters() const {
  std::vector<train::NamedParameter> parameters;
  for (const auto& item : network_->layers->named_parameters()) {
    parameters.push_back({absl::StrCat(name_, ".", item.key()), item.value()});
  }
  return parameters;
}

train::TensorMap Perceptron::State() const {
  train::TensorMap state;
  for (const auto& item : network_->layers->named_parameters()) {
    state[absl::StrCat(name_, ".", item.key())] = item.value().detach();
  }
  for (const auto& item : network_->layers->named_buffers()) {
    state[absl::StrCat(name_, ".", item.key())] = item.value();
  }
  return state;
}

absl::Status Perceptron::Restore(const train::TensorMap& state) {
  return train::CopyInto(State(), state);
}

}  // namespace acclimate::methods
