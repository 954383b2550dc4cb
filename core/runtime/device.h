// "auto", "cpu", "cuda", "cuda:1": the device a run names, checked against the machine.
#ifndef ACCLIMATE_CORE_RUNTIME_DEVICE_H_
#define ACCLIMATE_CORE_RUNTIME_DEVICE_H_

#include <c10/core/Device.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::runtime {

// auto: the first CUDA device where there is one, else the CPU. INVALID_ARGUMENT: none of
// auto, cpu, cuda, cuda:<i>. FAILED_PRECONDITION: no such CUDA device here.
absl::StatusOr<c10::Device> ResolveDevice(absl::string_view text);

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_DEVICE_H_
