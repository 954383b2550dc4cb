#include "core/losses/source_weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

constexpr double kSharpness = 3.0;

TEST(SourceWeightsTest, EqualTheirDefinitionAndAreHeld) {
  at::manual_seed(3);
  const at::Tensor values = Normal({4}).requires_grad_();
  const at::Tensor weights = SourceWeights(values, kSharpness);
  EXPECT_FALSE(weights.requires_grad());
  double sum = 0;
  for (int64_t k = 0; k < 4; ++k) sum += std::exp(kSharpness * values[k].item<double>());
  for (int64_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(weights[k].item<double>(), std::exp(kSharpness * values[k].item<double>()) / sum,
                1e-12);
  }
  EXPECT_NEAR(weights.sum().item<double>(), 1, 1e-12);
}

TEST(SourceWeightsTest, AreTheGradientOfTheSmoothMaximum) {
  at::manual_seed(4);
  const at::Tensor values = Normal({5}).requires_grad_();
  const at::Tensor maximum = (values * kSharpness).exp().sum().log() / kSharpness;
  const at::Tensor gradient = torch::autograd::grad({maximum}, {values})[0];
  EXPECT_TRUE(at::allclose(SourceWeights(values, kSharpness), gradient, 1e-12, 1e-12));
}

TEST(SourceWeightsTest, WeighAllAlikeWithoutSharpnessAndTheWorstAloneInTheLimit) {
  const at::Tensor values = at::tensor({0.5, 2.0, 1.0}, at::kDouble);
  EXPECT_TRUE(at::allclose(SourceWeights(values, 0), at::full({3}, 1.0 / 3, at::kDouble)));
  EXPECT_NEAR(SourceWeights(values, 1e4)[1].item<double>(), 1, 1e-12);
  EXPECT_EQ(SourceWeights(at::tensor({7.0}, at::kDouble), kSharpness)[0].item<double>(), 1);
}

}  // namespace
}  // namespace acclimate::losses
