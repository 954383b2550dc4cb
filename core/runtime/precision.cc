#include "core/runtime/precision.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/DeviceGuard.h>
#include <torch/version.h>

#include <fstream>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace acclimate::runtime {

bool CpuHasBf16(absl::string_view cpuinfo) {
  for (const absl::string_view line : absl::StrSplit(cpuinfo, '\n')) {
    if (!absl::StartsWith(line, "flags")) continue;
    for (const absl::string_view flag : absl::StrSplit(line, absl::ByAnyChar(" \t:"))) {
      if (flag == "avx512_bf16" || flag == "amx_bf16") return true;
    }
    return false;  // the other cores are alike
  }
  return false;
}

bool CpuHasBf16() {
  // Second derivatives of LibTorch 1.13's own convolution in bf16 fail.
  static const bool has = TORCH_VERSION_MAJOR >= 2 && [] {
    std::ostringstream text;
    text << std::ifstream("/proc/cpuinfo").rdbuf();
    return CpuHasBf16(text.str());
  }();
  return has;
}

bool HasFastBf16(const c10::Device& device) {
  if (device.is_cpu()) return CpuHasBf16();
  // LibTorch's word for compute capability 8.0 that needs no library of CUDA's at link time. Its
  // DeviceCapability does not tell: on CUDA devices it lists every type.
  const c10::DeviceGuard guard(device);
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

absl::StatusOr<Precision> ResolvePrecision(absl::string_view text, const c10::Device& device,
                                           bool fast_bf16) {
  const bool on_cpu = device.is_cpu();
  if (text == "fp32") return Precision{at::kFloat, ""};
  if (text == "auto") {
    if (fast_bf16) return Precision{at::kBFloat16, ""};
    return Precision{on_cpu ? at::kFloat : at::kHalf, ""};
  }
  if (text == "bf16") {
    if (fast_bf16) return Precision{at::kBFloat16, ""};
    return Precision{at::kBFloat16,
                     absl::StrCat("bf16 is slower than ", on_cpu ? "fp32" : "fp16", " here: ",
                                  on_cpu ? "the processor has neither avx512_bf16 nor amx_bf16"
                                         : "the GPU has compute capability below 8.0")};
  }
  if (text == "fp16") {
    if (!on_cpu) return Precision{at::kHalf, ""};
    return absl::FailedPreconditionError(
        "fp16 is for CUDA devices and the run is on the CPU, which takes auto, fp32 or bf16");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is none of auto, fp32, bf16, fp16"));
}

std::string PrecisionName(at::ScalarType type) {
  return type == at::kBFloat16 ? "bf16" : type == at::kHalf ? "fp16" : "fp32";
}

}  // namespace acclimate::runtime
