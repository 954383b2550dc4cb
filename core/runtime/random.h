// The default random generators: seeded together, saved and restored.
#ifndef ACCLIMATE_CORE_RUNTIME_RANDOM_H_
#define ACCLIMATE_CORE_RUNTIME_RANDOM_H_

#include <cstdint>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"

namespace acclimate::runtime {

// The CPU's default generator and that of every CUDA device.
void SeedEverything(uint64_t seed);

// The states that a run on `device` draws from: "cpu" and, on a CUDA device, "cuda".
std::map<std::string, at::Tensor> GeneratorStates(const at::Device& device);

// INVALID_ARGUMENT: a state is missing or is not one of this kind of generator.
absl::Status RestoreGenerators(const std::map<std::string, at::Tensor>& states,
                               const at::Device& device);

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_RANDOM_H_
