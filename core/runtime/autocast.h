// LibTorch's autocast on one thread, the same for both supported releases.
#ifndef ACCLIMATE_CORE_RUNTIME_AUTOCAST_H_
#define ACCLIMATE_CORE_RUNTIME_AUTOCAST_H_

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace acclimate::runtime {

// The type that autocast gives to convolutions and matrix products on such devices, on this thread;
// kFloat: it is off.
at::ScalarType AutocastType(c10::DeviceType device);

// Turns autocast to `type` on for such devices while it lives, on this thread; kFloat: off.
//
// Casts of weights are not remembered: LibTorch would keep one until the scope ends, also where a
// step between changed the weight. A network reads each weight once a pass, so that nothing is
// lost.
class AutocastScope {
 public:
  AutocastScope(c10::DeviceType device, at::ScalarType type);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  const c10::DeviceType device_;
  const at::ScalarType type_before_;
  const bool cached_before_;
};

// The same for the rest of the enclosing scope.
void SetAutocast(c10::DeviceType device, at::ScalarType type);

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_AUTOCAST_H_
