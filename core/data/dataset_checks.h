// What tensors must hold to be a dataset.
#ifndef ACCLIMATE_CORE_DATA_DATASET_CHECKS_H_
#define ACCLIMATE_CORE_DATA_DATASET_CHECKS_H_

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

namespace acclimate::data {

// inputs: [N, ...], at least one sample of at least one value, all finite -> uint8 as it is, any
// floating type as float32. INVALID_ARGUMENT names the index of the first value that is not finite.
absl::StatusOr<at::Tensor> CheckInputs(const at::Tensor& inputs, const std::string& name);

// labels: uint8, int32 or int64 [samples], in [0, kMostClasses) -> int64.
absl::StatusOr<at::Tensor> CheckLabels(const at::Tensor& labels, int64_t samples,
                                       const std::string& name);

// More classes than any classifier has: a larger label is damage, not a class.
inline constexpr int64_t kMostClasses = 10'000'000;

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_DATASET_CHECKS_H_
