// Standard normal samples of tests, the same for the same seed.
#ifndef ACCLIMATE_TESTS_CORE_NORMAL_SAMPLES_H_
#define ACCLIMATE_TESTS_CORE_NORMAL_SAMPLES_H_

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>

namespace acclimate::testing {

inline at::Tensor Normal(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions(at::kDouble));
}

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_NORMAL_SAMPLES_H_
