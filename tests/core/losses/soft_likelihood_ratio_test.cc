#include "core/losses/soft_likelihood_ratio.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

// Logits of which some rows are surer than 0.99.
at::Tensor SomeSure() {
  at::Tensor logits = Normal({12, 4}) * 2;
  logits.slice(0, 0, 3).select(1, 2).add_(12);
  return logits;
}

TEST(SoftLikelihoodRatioTest, EqualsItsDefinition) {
  at::manual_seed(1);
  const at::Tensor logits = SomeSure(), actual = SoftLikelihoodRatio(logits);
  int64_t cut = 0;
  for (int64_t i = 0; i < logits.size(0); ++i) {
    double sum = 0, expected = 0;
    for (int64_t c = 0; c < 4; ++c) sum += std::exp(logits[i][c].item<double>());
    for (int64_t c = 0; c < 4; ++c) {
      const double whole = std::exp(logits[i][c].item<double>()) / sum;
      const double p = std::min(whole, 0.99);
      cut += whole > 0.99;
      expected -= p * std::log(p / (1 - p) + 1e-5);
    }
    EXPECT_NEAR(actual[i].item<double>(), expected, 1e-10);
  }
  EXPECT_GE(cut, 3);
}

TEST(SoftLikelihoodRatioTest, GradientIsRight) {
  at::manual_seed(2);
  ExpectGradient([](const at::Tensor& probe) { return SoftLikelihoodRatio(probe).sum(); },
                 SomeSure());
}

// What entropy lacks: a sure prediction is still pulled.
TEST(SoftLikelihoodRatioTest, IsSteepWhereTheEntropyIsFlat) {
  at::Tensor logits = at::zeros({1, 2}, at::kDouble);
  logits[0][0] = std::log(0.98 / 0.02);
  logits.requires_grad_();
  SoftLikelihoodRatio(logits).sum().backward();
  EXPECT_LT(logits.grad()[0][0].item<double>(), -0.5);
}

TEST(SoftLikelihoodRatioTest, StaysFinite) {
  at::Tensor logits = (at::eye(3) * 1e4).requires_grad_();
  const at::Tensor loss = SoftLikelihoodRatio(logits).sum();
  loss.backward();
  EXPECT_TRUE(std::isfinite(loss.item<double>()));
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace acclimate::losses
