// LibTorch's CUDA part, loaded only where a GPU may be used.
//
// A CUDA build of LibTorch comes as libtorch_cpu.so and libtorch_cuda.so. Programs link the first
// alone; the second registers its kernels when it is loaded, which takes seconds.
#ifndef ACCLIMATE_CORE_RUNTIME_CUDA_LIBRARY_H_
#define ACCLIMATE_CORE_RUNTIME_CUDA_LIBRARY_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::runtime {

// Loads libtorch_cuda.so and the driver's library for `device` ("auto", "cuda", "cuda:1"), unless
// it is "cpu", the machine has no NVIDIA driver, or this LibTorch is a CPU build; returns whether
// it did. For the start of main(): before the first question to LibTorch about CUDA, whose answer
// it remembers, and before a sandbox closes. FAILED_PRECONDITION: the library is there and cannot
// be loaded.
absl::StatusOr<bool> LoadCudaFor(absl::string_view device);

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_CUDA_LIBRARY_H_
