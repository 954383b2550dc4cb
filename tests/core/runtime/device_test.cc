#include "core/runtime/device.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

namespace acclimate::runtime {
namespace {

TEST(ResolveDeviceTest, TakesTheCpu) {
  EXPECT_EQ(ResolveDevice("cpu").value(), c10::Device(c10::kCPU));
}

TEST(ResolveDeviceTest, AutoTakesCudaWhereThereIsOne) {
  c10::DeviceType expected = torch::cuda::is_available() ? c10::kCUDA : c10::kCPU;
  EXPECT_EQ(ResolveDevice("auto").value().type(), expected);
}

TEST(ResolveDeviceTest, RefusesNonsenseAndQuotesIt) {
  for (const char* text : {"", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:x", "cuda:1x", "cuda: 1",
                           "cuda:999", "cuda:99999999999", "cpu:0"}) {
    absl::Status status = ResolveDevice(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find(std::string("\"") + text + "\""), std::string::npos) << status;
  }
}

TEST(ResolveDeviceTest, ADeviceThatIsNotThereIsAPrecondition) {
  EXPECT_EQ(ResolveDevice("cuda:100").status().code(), absl::StatusCode::kFailedPrecondition);
  if (!torch::cuda::is_available()) {
    EXPECT_EQ(ResolveDevice("cuda").status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

}  // namespace
}  // namespace acclimate::runtime
