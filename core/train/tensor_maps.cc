#include "core/train/tensor_maps.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace acclimate::train {

TensorMap Copies(const TensorMap& tensors) {
  TensorMap copies;
  for (const auto& [name, tensor] : tensors) copies[name] = tensor.detach().clone();
  return copies;
}

TensorMap Changed(const TensorMap& before, const TensorMap& after) {
  TensorMap changed;
  for (const auto& [name, tensor] : after) {
    const auto it = before.find(name);
    if (it == before.end() || !it->second.equal(tensor)) changed[name] = tensor;
  }
  return changed;
}

at::Tensor TextTensor(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
  return bytes;
}

absl::optional<std::string> TextOf(const at::Tensor& tensor) {
  if (tensor.scalar_type() != at::kByte) return absl::nullopt;
  const at::Tensor bytes = tensor.to(at::kCPU).contiguous();
  const auto* const begin = bytes.data_ptr<uint8_t>();
  return std::string(begin, begin + bytes.numel());
}

}  // namespace acclimate::train
