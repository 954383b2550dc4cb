#include "core/runtime/work_stream.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <mutex>
#include <string>

namespace acclimate::runtime {
namespace {

using c10::impl::VirtualGuardImpl;

// One a device: a parameter's gradients are gathered on the stream on which it was first used.
c10::Stream StreamOf(const at::Device& device) {
  static std::mutex mutex;
  static auto* const streams = new std::map<std::string, c10::Stream>;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = streams->find(device.str());
  if (found != streams->end()) return found->second;
  return streams
      ->emplace(device.str(), VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device))
      .first->second;
}

// Makes what follows on `to` wait for what is on `from`, and work on `to`.
void GoOver(const c10::Stream& from, const c10::Stream& to) {
  c10::Event passed(from.device_type());
  passed.record(from);
  passed.block(to);
  VirtualGuardImpl(to.device_type()).exchangeStream(to);
}

}  // namespace

WorkStream::WorkStream(const at::Device& device) {
  if (device.is_cpu()) return;
  stream_ = StreamOf(device);
}

WorkStream::Scope::Scope(const WorkStream& stream) : inside_(stream.stream_) {
  if (!inside_) return;
  outside_ = VirtualGuardImpl(inside_->device_type()).getStream(inside_->device());
  GoOver(*outside_, *inside_);
}

WorkStream::Scope::~Scope() {
  if (inside_) GoOver(*inside_, *outside_);
}

}  // namespace acclimate::runtime
