// A device that LibTorch takes for an accelerator, in the host's own memory: what runs on it runs
// as on a GPU (its tensors do not mix with the CPU's, it has streams, pinned memory and graphs),
// slowly, on a machine without one.
#ifndef ACCLIMATE_TESTS_ACCELERATOR_PRETEND_ACCELERATOR_H_
#define ACCLIMATE_TESTS_ACCELERATOR_PRETEND_ACCELERATOR_H_

#include <ATen/core/Tensor.h>

namespace acclimate::testing {

// Every operator runs the CPU's kernel on the same memory. As on CUDA, tensors on it and tensors on
// the CPU with a dimension are refused together. A graph that records leaves everything as it
// was, refuses what would wait for the device or read pageable memory, and on replay runs the
// operators again on the recorded tensors.
at::Device PretendAccelerator();

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_ACCELERATOR_PRETEND_ACCELERATOR_H_
