// Copies to an accelerator beside what it computes.
#ifndef ACCLIMATE_CORE_RUNTIME_COPY_STREAM_H_
#define ACCLIMATE_CORE_RUNTIME_COPY_STREAM_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include "absl/types/optional.h"

namespace acclimate::runtime {

// A stream of its own. Neither the host nor the device's other work waits for a copy, but for what
// uses it. Not thread-safe.
class CopyStream {
 public:
  // On the CPU there is none, and nothing is copied.
  explicit CopyStream(const at::Device& device);

  // Memory on the host to fill and Send() from: pinned where there is a stream. LibTorch gives it
  // out again once the copy has ended.
  at::Tensor Staging(at::IntArrayRef sizes, at::ScalarType type) const;
  // On the device, for the current stream to use. `staged` must not change any more.
  at::Tensor Send(const at::Tensor& staged) const;

 private:
  const at::Device device_;
  absl::optional<c10::Stream> stream_;
};

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_COPY_STREAM_H_
