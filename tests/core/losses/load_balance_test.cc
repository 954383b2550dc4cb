#include "core/losses/load_balance.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double BruteForceBalance(const at::Tensor& gates) {
  const int64_t samples = gates.size(0), experts = gates.size(1);
  std::vector<double> share(experts, 0.0), mean(experts, 0.0);
  for (int64_t i = 0; i < samples; ++i) {
    int64_t largest = 0;
    for (int64_t e = 0; e < experts; ++e) {
      mean[e] += gates[i][e].item<double>() / static_cast<double>(samples);
      if (gates[i][e].item<double>() > gates[i][largest].item<double>()) largest = e;
    }
    share[largest] += 1.0 / static_cast<double>(samples);
  }
  double sum = 0;
  for (int64_t e = 0; e < experts; ++e) sum += share[e] * mean[e];
  return static_cast<double>(experts) * sum;
}

TEST(LoadBalanceTest, EqualsItsDefinition) {
  at::manual_seed(3);
  for (const int64_t experts : {1, 2, 5}) {
    const at::Tensor gates = Normal({9, experts}).softmax(1);
    EXPECT_NEAR(LoadBalance(gates).item<double>(), BruteForceBalance(gates), 1e-12);
  }
}

TEST(LoadBalanceTest, IsOneForEvenSharesAndTheNumberOfExpertsForOneAlone) {
  EXPECT_NEAR(LoadBalance(at::eye(4, at::kDouble)).item<double>(), 1, 1e-12);
  const at::Tensor alone = at::eye(4, at::kDouble).narrow(0, 2, 1).expand({6, 4});
  EXPECT_NEAR(LoadBalance(alone).item<double>(), 4, 1e-12);
}

// The share of first choices is held: it moves in jumps, and none lies within the differences.
TEST(LoadBalanceTest, GradientIsRight) {
  at::manual_seed(4);
  ExpectGradient([](const at::Tensor& probe) { return LoadBalance(probe.softmax(1)); },
                 Normal({6, 3}));
}

TEST(LoadBalanceTest, DescendingItTakesFromTheExpertWithTheLargestShare) {
  const at::Tensor logits =
      at::tensor({2.0, 0.0, 1.5, 0.0, 0.0, 0.5}, at::kDouble).view({3, 2}).requires_grad_();
  LoadBalance(logits.softmax(1)).backward();
  const at::Tensor gradient = logits.grad().sum(0);
  EXPECT_GT(gradient[0].item<double>(), 0);
  EXPECT_LT(gradient[1].item<double>(), 0);
}

}  // namespace
}  // namespace acclimate::losses
