#include "tests/gpu/gpu_environment.h"

#include <torch/cuda.h>

#include <cstdlib>
#include <iostream>

#include "core/runtime/cuda_library.h"

namespace acclimate::gpu {

std::string TestDevice() {
  const char* device = std::getenv("ACCLIMATE_TEST_DEVICE");
  return device == nullptr ? "cuda" : device;
}

void GpuTest::SetUp() {
  if (TestDevice() != "cpu" && !torch::cuda::is_available()) GTEST_SKIP() << "there is no GPU";
}

}  // namespace acclimate::gpu

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const absl::Status status =
      acclimate::runtime::LoadCudaFor(acclimate::gpu::TestDevice()).status();
  if (!status.ok()) {
    std::cerr << status << std::endl;
    return EXIT_FAILURE;
  }
  return RUN_ALL_TESTS();
}
