#include "core/losses/coral.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

at::Tensor Covariance(const at::Tensor& samples) {
  int64_t n = samples.size(0), d = samples.size(1);
  at::Tensor mean = samples.sum(0) / n, covariance = at::zeros({d, d}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    covariance += at::outer(samples[i] - mean, samples[i] - mean) / (n - 1);
  }
  return covariance;
}

double BruteForceCoral(const at::Tensor& x, const at::Tensor& y) {
  double d = x.size(1);
  return (Covariance(x) - Covariance(y)).square().sum().item<double>() / (4 * d * d);
}

TEST(DeepCoralTest, BothFormsEqualTheDefinition) {
  at::manual_seed(1);
  for (auto [n, m, d] : {std::tuple(6, 6, 3), std::tuple(4, 7, 20), std::tuple(9, 2, 8)}) {
    at::Tensor x = Normal({n, d}), y = Normal({m, d}) * 2 + 5;
    double expected = BruteForceCoral(x, y);
    EXPECT_NEAR(DeepCoral(x, y).item<double>(), expected, 1e-12 * expected);
    EXPECT_NEAR(DeepCoralByCovariance(x, y).item<double>(), expected, 1e-12 * expected);
    EXPECT_NEAR(DeepCoralByGram(x, y).item<double>(), expected, 1e-12 * expected);
  }
}

TEST(DeepCoralTest, BothFormsHaveTheSameGradient) {
  at::manual_seed(2);
  at::Tensor x = Normal({5, 12}).requires_grad_(), y = Normal({8, 12});
  at::Tensor by_covariance = torch::autograd::grad({DeepCoralByCovariance(x, y)}, {x})[0];
  at::Tensor by_gram = torch::autograd::grad({DeepCoralByGram(x, y)}, {x})[0];
  EXPECT_TRUE(at::allclose(by_covariance, by_gram, 1e-10, 1e-12));
}

TEST(DeepCoralTest, GradientIsRight) {
  at::manual_seed(3);
  at::Tensor x = Normal({5, 3}), y = Normal({4, 3}) * 2;
  ExpectGradient([&](const at::Tensor& probe) { return DeepCoral(probe, y); }, x);
  ExpectGradient([&](const at::Tensor& probe) { return DeepCoral(x, probe); }, y);
}

TEST(DeepCoralTest, IsZeroForIdenticalSamplesAndBlindToTheMean) {
  at::Tensor x = Normal({6, 4});
  EXPECT_NEAR(DeepCoral(x, x + 3).item<double>(), 0, 1e-14);
}

TEST(DeepCoralTest, RefusesASingleSample) {
  EXPECT_THROW(DeepCoral(at::randn({1, 3}), at::randn({4, 3})), c10::Error);
  EXPECT_THROW(DeepCoral(at::randn({4, 3}), at::randn({4, 5})), c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
