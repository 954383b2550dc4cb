#include "core/losses/feature_norm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

std::vector<double> Norms(const at::Tensor& features) {
  std::vector<double> norms;
  for (int64_t i = 0; i < features.size(0); ++i) {
    double squares = 0;
    for (int64_t k = 0; k < features.size(1); ++k) {
      squares += std::pow(features[i][k].item<double>(), 2);
    }
    norms.push_back(std::sqrt(squares));
  }
  return norms;
}

// mean_i (||f_i|| - (held_i + step))^2.
double BruteForceFeatureNorm(const at::Tensor& features, const std::vector<double>& held,
                             double step) {
  const std::vector<double> norms = Norms(features);
  double sum = 0;
  for (size_t i = 0; i < norms.size(); ++i) sum += std::pow(norms[i] - (held[i] + step), 2);
  return sum / norms.size();
}

TEST(StepwiseFeatureNormTest, GradientIsThatOfTheDefinitionWithTheNormHeld) {
  at::manual_seed(1);
  const at::Tensor features = Normal({4, 3});
  const std::vector<double> held = Norms(features);
  EXPECT_NEAR(StepwiseFeatureNorm(features, 0.7).item<double>(),
              BruteForceFeatureNorm(features, held, 0.7), 1e-12);
  ExpectGradient(
      [&](const at::Tensor& probe) {
        return probe.requires_grad()
                   ? StepwiseFeatureNorm(probe, 0.7)
                   : at::full({}, BruteForceFeatureNorm(probe, held, 0.7), at::kDouble);
      },
      features);
}

TEST(StepwiseFeatureNormTest, DescentMakesFeaturesLongerByAShareOfTheStep) {
  at::manual_seed(2);
  const at::Tensor features = Normal({5, 4}).requires_grad_();
  const at::Tensor gradient =
      torch::autograd::grad({StepwiseFeatureNorm(features, 1.5)}, {features})[0];
  const at::Tensor moved = features.detach() - 0.1 * gradient;
  const std::vector<double> before = Norms(features.detach()), after = Norms(moved);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_NEAR(after[i] - before[i], 0.1 * 2 * 1.5 / 5, 1e-12);
  }
}

TEST(StepwiseFeatureNormTest, FeaturesOfZeroHaveAFiniteGradient) {
  const at::Tensor features = at::zeros({2, 3}).requires_grad_();
  StepwiseFeatureNorm(features, 1.0).backward();
  EXPECT_TRUE(at::equal(features.grad(), at::zeros({2, 3})));
}

}  // namespace
}  // namespace acclimate::losses
