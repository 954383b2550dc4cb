// What tensors must hold to be a dataset.
#ifndef ACCLIMATE_CORE_DATA_DATASET_CHECKS_H_
#define ACCLIMATE_CORE_DATA_DATASET_CHECKS_H_

#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

namespace acclimate::data {

// inputs: [N, ...], at least one sample of at least one value, all finite -> uint8 as it is, any
// floating type as float32. INVALID_ARGUMENT names the index of the first value that is not finite.
absl::StatusOr<at::Tensor> CheckInputs(const at::Tensor& inputs, const std::string& name);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_DATASET_CHECKS_H_
