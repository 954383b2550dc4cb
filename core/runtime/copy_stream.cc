#include "core/runtime/copy_stream.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace acclimate::runtime {

CopyStream::CopyStream(const at::Device& device) : device_(device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

at::Tensor CopyStream::Staging(at::IntArrayRef sizes, at::ScalarType type) const {
  return at::empty(sizes, at::TensorOptions(type).pinned_memory(stream_.has_value()));
}

at::Tensor CopyStream::Send(const at::Tensor& staged) const {
  if (!stream_) return staged.to(device_);
  const c10::Stream current = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  at::Tensor sent;
  c10::Event copied(device_.type());
  {
    const c10::StreamGuard guard(*stream_);
    sent = staged.to(device_, /*non_blocking=*/true);
    copied.record(*stream_);
  }
  copied.block(current);
  sent.record_stream(current);
  return sent;
}

}  // namespace acclimate::runtime
