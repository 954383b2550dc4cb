#include "core/runtime/autocast.h"

#include <ATen/autocast_mode.h>
#include <torch/version.h>

namespace acclimate::runtime {
namespace {

#if TORCH_VERSION_MAJOR >= 2

bool IsOn(c10::DeviceType device) { return at::autocast::is_autocast_enabled(device); }
at::ScalarType TypeOf(c10::DeviceType device) { return at::autocast::get_autocast_dtype(device); }
void Enable(c10::DeviceType device, bool on) { at::autocast::set_autocast_enabled(device, on); }
void SetType(c10::DeviceType device, at::ScalarType type) {
  at::autocast::set_autocast_dtype(device, type);
}

#else  // 1.13 has functions of their own for each kind of device

bool IsOn(c10::DeviceType device) {
  return device == at::kCPU ? at::autocast::is_cpu_enabled() : at::autocast::is_enabled();
}
at::ScalarType TypeOf(c10::DeviceType device) {
  return device == at::kCPU ? at::autocast::get_autocast_cpu_dtype()
                            : at::autocast::get_autocast_gpu_dtype();
}
void Enable(c10::DeviceType device, bool on) {
  device == at::kCPU ? at::autocast::set_cpu_enabled(on) : at::autocast::set_enabled(on);
}
void SetType(c10::DeviceType device, at::ScalarType type) {
  device == at::kCPU ? at::autocast::set_autocast_cpu_dtype(type)
                     : at::autocast::set_autocast_gpu_dtype(type);
}

#endif

}  // namespace

at::ScalarType AutocastType(c10::DeviceType device) {
  return IsOn(device) ? TypeOf(device) : at::kFloat;
}

void SetAutocast(c10::DeviceType device, at::ScalarType type) {
  Enable(device, type != at::kFloat);
  if (type != at::kFloat) SetType(device, type);
}

AutocastScope::AutocastScope(c10::DeviceType device, at::ScalarType type)
    : device_(device),
      type_before_(AutocastType(device)),
      cached_before_(at::autocast::is_autocast_cache_enabled()) {
  at::autocast::set_autocast_cache_enabled(false);
  SetAutocast(device, type);
}

AutocastScope::~AutocastScope() {
  SetAutocast(device_, type_before_);
  at::autocast::set_autocast_cache_enabled(cached_before_);
}

}  // namespace acclimate::runtime
