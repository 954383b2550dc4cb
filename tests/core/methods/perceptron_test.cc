#include "core/methods/alignment/perceptron.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace acclimate::methods {
namespace {

TEST(PerceptronTest, IsLinearLayersWithReluBetween) {
  at::manual_seed(1);
  Perceptron network("head", {4, 5, 3}, Perceptron::Norm::kNone, at::kCPU);
  const train::TensorMap state = network.State();
  ASSERT_EQ(state.size(), 4u);
  const at::Tensor inputs = at::randn({6, 4});
  const at::Tensor hidden =
      at::relu(at::linear(inputs, state.at("head.0.weight"), state.at("head.0.bias")));
  const at::Tensor expected =
      at::linear(hidden, state.at("head.2.weight"), state.at("head.2.bias"));
  EXPECT_TRUE(network.Forward(inputs).equal(expected));
}

TEST(PerceptronTest, IsRestoredFromItsState) {
  Perceptron network("map", {4, 3}, Perceptron::Norm::kNone, at::kCPU),
      other("map", {4, 3}, Perceptron::Norm::kNone, at::kCPU);
  const at::Tensor inputs = at::randn({2, 4});
  EXPECT_FALSE(network.Forward(inputs).equal(other.Forward(inputs)));
  ASSERT_TRUE(other.Restore(network.State()).ok());
  EXPECT_TRUE(network.Forward(inputs).equal(other.Forward(inputs)));
  Perceptron narrower("map", {4, 2}, Perceptron::Norm::kNone, at::kCPU);
  EXPECT_EQ(narrower.Restore(network.State()).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace acclimate::methods
