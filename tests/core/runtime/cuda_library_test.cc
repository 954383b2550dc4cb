#include "core/runtime/cuda_library.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

namespace acclimate::runtime {
namespace {

bool IsMapped(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  const std::string text{std::istreambuf_iterator<char>(maps), {}};
  return text.find(library) != std::string::npos;
}

// Programs do not link it, also with a CUDA build of LibTorch.
TEST(LoadCudaForTest, TheCpuDoesNotLoadIt) {
  const absl::StatusOr<bool> loaded = LoadCudaFor("cpu");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE(*loaded);
  EXPECT_FALSE(IsMapped("libtorch_cuda.so"));
}

TEST(LoadCudaForTest, SaysWhetherItIsLoaded) {
  const absl::StatusOr<bool> loaded = LoadCudaFor("auto");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(*loaded, IsMapped("libtorch_cuda.so"));
  if (access("/dev/nvidiactl", F_OK) != 0) {
    EXPECT_FALSE(*loaded);
  }
}

}  // namespace
}  // namespace acclimate::runtime
