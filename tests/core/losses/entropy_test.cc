#include "core/losses/entropy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/losses/information_maximization.h"
#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double BruteForceEntropy(const at::Tensor& probabilities) {
  double entropy = 0;
  for (int64_t c = 0; c < probabilities.size(0); ++c) {
    double p = probabilities[c].item<double>();
    entropy -= p * std::log(p);
  }
  return entropy;
}

TEST(EntropyTest, EqualsItsDefinition) {
  at::Tensor logits = Normal({6, 4}) * 3, p = logits.softmax(1);
  at::Tensor entropy = Entropy(logits);
  ASSERT_EQ(entropy.sizes(), at::IntArrayRef({6}));
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(entropy[i].item<double>(), BruteForceEntropy(p[i]), 1e-12);
  }
  EXPECT_NEAR(MeanEntropy(logits).item<double>(), entropy.mean().item<double>(), 1e-14);
}

TEST(EntropyTest, GradientIsRight) {
  ExpectGradient([](const at::Tensor& probe) { return MeanEntropy(probe); }, Normal({4, 3}));
}

TEST(EntropyTest, ExtremeLogitsStayFinite) {
  at::Tensor logits = at::tensor({1e4f, -1e4f, 0.f, 1e4f, 1e4f, 1e4f}).view({2, 3});
  logits.requires_grad_();
  at::Tensor entropy = Entropy(logits);
  entropy.sum().backward();
  EXPECT_EQ(entropy[0].item<float>(), 0);
  EXPECT_NEAR(entropy[1].item<float>(), std::log(3), 1e-6);
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
}

TEST(InformationMaximizationTest, EqualsItsDefinition) {
  at::Tensor logits = Normal({6, 4}) * 3, p = logits.softmax(1);
  double expected = -BruteForceEntropy(p.mean(0));
  for (int64_t i = 0; i < 6; ++i) expected += BruteForceEntropy(p[i]) / 6;
  EXPECT_NEAR(InformationMaximization(logits).item<double>(), expected, 1e-12);
}

TEST(InformationMaximizationTest, GradientIsRight) {
  ExpectGradient([](const at::Tensor& probe) { return InformationMaximization(probe); },
                 Normal({4, 3}));
}

TEST(InformationMaximizationTest, BestIsCertainAndBalancedAndStaysFinite) {
  at::Tensor logits = (at::eye(4) * 1e4).requires_grad_();
  at::Tensor loss = InformationMaximization(logits);
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), -std::log(4), 1e-5);
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());

  at::Tensor collapsed = at::zeros({4, 4});  // one class for all, certain: nothing gained
  collapsed.select(1, 0).fill_(1e4);
  EXPECT_NEAR(InformationMaximization(collapsed).item<double>(), 0, 1e-6);
}

}  // namespace
}  // namespace acclimate::losses
