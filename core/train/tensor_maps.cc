#include "core/train/tensor_maps.h"

#include <ATen/ATen.h>

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

}  // namespace acclimate::train
