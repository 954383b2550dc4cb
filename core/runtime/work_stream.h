// The stream of an accelerator on which this process works, beside the default one.
#ifndef ACCLIMATE_CORE_RUNTIME_WORK_STREAM_H_
#define ACCLIMATE_CORE_RUNTIME_WORK_STREAM_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include "absl/types/optional.h"

namespace acclimate::runtime {

// The work that a graph records must not be the default stream's. On the CPU there is no stream.
class WorkStream {
 public:
  explicit WorkStream(const at::Device& device);

  // While it lives, this thread's work goes to the stream: after everything before it, and before
  // everything that comes after.
  class Scope {
   public:
    explicit Scope(const WorkStream& stream);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    absl::optional<c10::Stream> outside_, inside_;
  };

 private:
  absl::optional<c10::Stream> stream_;
};

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_WORK_STREAM_H_
