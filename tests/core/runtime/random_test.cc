#include "core/runtime/random.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace acclimate::runtime {
namespace {

const at::Device kCpu(at::kCPU);

TEST(RandomTest, TheSameSeedDrawsTheSame) {
  SeedEverything(42);
  at::Tensor first = at::randn({100});
  SeedEverything(42);
  EXPECT_TRUE(at::equal(first, at::randn({100})));
  SeedEverything(43);
  EXPECT_FALSE(at::equal(first, at::randn({100})));
}

TEST(RandomTest, ARestoredStateDrawsOnBitEqually) {
  SeedEverything(1);
  at::randn({3});  // an odd number: half of a pair of normals waits in the generator
  std::map<std::string, at::Tensor> states = GeneratorStates(kCpu);
  at::Tensor expected = at::randn({7});
  SeedEverything(2);
  ASSERT_TRUE(RestoreGenerators(states, kCpu).ok());
  EXPECT_TRUE(at::equal(expected, at::randn({7})));
}

TEST(RandomTest, RefusesAMissingOrForeignState) {
  EXPECT_EQ(RestoreGenerators({}, kCpu).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RestoreGenerators({{"cpu", at::zeros({3}, at::kByte)}}, kCpu).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace acclimate::runtime
