// The device that the tests of this folder run on: the first GPU.
#ifndef ACCLIMATE_TESTS_GPU_GPU_ENVIRONMENT_H_
#define ACCLIMATE_TESTS_GPU_GPU_ENVIRONMENT_H_

#include <gtest/gtest.h>

#include <string>

namespace acclimate::gpu {

// "cuda". ACCLIMATE_TEST_DEVICE=cpu runs the same tests on the CPU, where those that compare
// devices compare the CPU with itself: to check the tests where there is no GPU.
std::string TestDevice();

// Skips its tests where that device is not there.
class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override;
};

}  // namespace acclimate::gpu

#endif  // ACCLIMATE_TESTS_GPU_GPU_ENVIRONMENT_H_
