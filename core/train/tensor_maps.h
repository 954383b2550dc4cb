// Model and task states beside each other: copied, compared.
#ifndef ACCLIMATE_CORE_TRAIN_TENSOR_MAPS_H_
#define ACCLIMATE_CORE_TRAIN_TENSOR_MAPS_H_

#include <string>

#include "absl/types/optional.h"
#include "core/train/training_state.h"

namespace acclimate::train {

// On the same devices, without history.
TensorMap Copies(const TensorMap& tensors);

// The tensors of `after` that are not bit for bit in `before`, aliased. Both on the same devices.
TensorMap Changed(const TensorMap& before, const TensorMap& after);

// Text as a state holds it, byte by byte; absent where the tensor is none.
at::Tensor TextTensor(const std::string& text);
absl::optional<std::string> TextOf(const at::Tensor& tensor);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_TENSOR_MAPS_H_
