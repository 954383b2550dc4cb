// "auto", "fp32", "bf16", "fp16": what a run's forward passes compute in, by what its device can
// do.
//
//   | asked for | CPU                              | CUDA                          |
//   |-----------|----------------------------------|-------------------------------|
//   | auto      | bf16 where it is fast, else fp32 | bf16 where it is, else fp16   |
//   | fp32      | fp32                             | fp32                          |
//   | bf16      | bf16, with a warning where slow  | bf16, with a warning likewise |
//   | fp16      | refused                          | fp16                          |
#ifndef ACCLIMATE_CORE_RUNTIME_PRECISION_H_
#define ACCLIMATE_CORE_RUNTIME_PRECISION_H_

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::runtime {

// Whether the processor has instructions for products in bfloat16: `cpuinfo`, the text of
// /proc/cpuinfo, names the flag avx512_bf16 or amx_bf16.
bool CpuHasBf16(absl::string_view cpuinfo);
// The same of this machine's, read once; false with LibTorch 1.x.
bool CpuHasBf16();

// Whether bf16 is faster than fp32 on `device`: CpuHasBf16(), or compute capability 8.0.
bool HasFastBf16(const c10::Device& device);

struct Precision {
  at::ScalarType type = at::kFloat;  // kFloat, kBFloat16 or kHalf
  std::string warning;               // for the client; empty: none
};

// The table above; `fast_bf16` is HasFastBf16(device). INVALID_ARGUMENT: none of the four words.
// FAILED_PRECONDITION: the device does not do it.
absl::StatusOr<Precision> ResolvePrecision(absl::string_view text, const c10::Device& device,
                                           bool fast_bf16);

// "fp32", "bf16" or "fp16".
std::string PrecisionName(at::ScalarType type);

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_PRECISION_H_
