#include "core/runtime/random.h"

#include <mutex>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"

namespace acclimate::runtime {
namespace {

constexpr char kCpu[] = "cpu";
constexpr char kCuda[] = "cuda";

// LibTorch asks its callers to hold the generator's own mutex.
at::Tensor StateOf(const at::Generator& default_generator) {
  at::Generator generator = default_generator;
  std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

absl::Status Restore(const std::map<std::string, at::Tensor>& states, const char* name,
                     const at::Generator& default_generator) {
  auto state = states.find(name);
  if (state == states.end()) {
    return absl::InvalidArgumentError(absl::StrCat("random generator ", name, ": no state"));
  }
  at::Generator generator = default_generator;
  try {
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(state->second);
  } catch (const c10::Error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("random generator ", name, ": ", error.what_without_backtrace()));
  }
  return absl::OkStatus();
}

}  // namespace

void SeedEverything(uint64_t seed) { at::manual_seed(seed); }

std::map<std::string, at::Tensor> GeneratorStates(const at::Device& device) {
  std::map<std::string, at::Tensor> states;
  states[kCpu] = StateOf(at::globalContext().defaultGenerator(at::kCPU));
  if (device.is_cuda()) states[kCuda] = StateOf(at::globalContext().defaultGenerator(device));
  return states;
}

absl::Status RestoreGenerators(const std::map<std::string, at::Tensor>& states,
                               const at::Device& device) {
  absl::Status status = Restore(states, kCpu, at::globalContext().defaultGenerator(at::kCPU));
  if (device.is_cuda()) {
    status.Update(Restore(states, kCuda, at::globalContext().defaultGenerator(device)));
  }
  return status;
}

}  // namespace acclimate::runtime
