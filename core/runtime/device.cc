#include "core/runtime/device.h"

#include <ATen/ATen.h>
#include <torch/cuda.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace acclimate::runtime {
namespace {

int64_t CudaDevices() {
  return torch::cuda::is_available() ? static_cast<int64_t>(torch::cuda::device_count()) : 0;
}

}  // namespace

absl::StatusOr<c10::Device> ResolveDevice(absl::string_view text) {
  if (text == "cpu") return c10::Device(c10::kCPU);
  if (text == "auto" && CudaDevices() == 0) return c10::Device(c10::kCPU);
  int index = 0;
  bool numbered = absl::ConsumePrefix(&text, "cuda:");
  bool digits = !text.empty() && text.size() <= 3 &&
                text.find_first_not_of("0123456789") == absl::string_view::npos;
  bool known =
      numbered ? digits && absl::SimpleAtoi(text, &index) : text == "auto" || text == "cuda";
  if (!known || index > 127) {  // c10::DeviceIndex has 8 bits in LibTorch 1.13
    return absl::InvalidArgumentError(absl::StrCat("device: \"", numbered ? "cuda:" : "", text,
                                                   "\" is none of auto, cpu, cuda, cuda:<i>"));
  }
  if (index >= CudaDevices()) {
    return absl::FailedPreconditionError(
        absl::StrCat("device: there is no cuda:", index, " here; CUDA devices: ", CudaDevices()));
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace acclimate::runtime
