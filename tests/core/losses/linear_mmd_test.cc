#include "core/losses/linear_mmd.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double MeanPairDistance(const at::Tensor& all) {
  return (all.unsqueeze(0) - all.unsqueeze(1)).square().sum(2).mean().item<double>();
}

// Gretton et al. 2012, section 6, with rows counted from 1 as printed.
double BruteForceLinearMmd(const at::Tensor& x, const at::Tensor& y, double mean_distance) {
  auto kernel = [&](const at::Tensor& a, const at::Tensor& b) {
    double distance = (a - b).square().sum().item<double>(), sum = 0;
    for (double multiplier : MkMmdOptions().bandwidth_multipliers) {
      sum += std::exp(-distance / (2 * multiplier * mean_distance));
    }
    return sum;
  };
  int64_t n = std::min(x.size(0), y.size(0)) / 2 * 2;
  double sum = 0;
  for (int64_t i = 1; i <= n / 2; ++i) {
    at::Tensor x1 = x[2 * i - 2], x2 = x[2 * i - 1], y1 = y[2 * i - 2], y2 = y[2 * i - 1];
    sum += kernel(x1, x2) + kernel(y1, y2) - kernel(x1, y2) - kernel(x2, y1);
  }
  return sum * 2 / n;
}

TEST(LinearTimeMmdTest, EqualsItsDefinitionOnTheCommonEvenPrefix) {
  at::manual_seed(5);
  for (auto [n, m] : {std::pair(8, 8), std::pair(7, 7), std::pair(5, 12), std::pair(3, 2)}) {
    at::Tensor x = Normal({n, 4}), y = Normal({m, 4}) + 1;
    EXPECT_NEAR(LinearTimeMmd(x, y).item<double>(),
                BruteForceLinearMmd(x, y, MeanPairDistance(at::cat({x, y}))), 1e-12);
  }
}

TEST(LinearTimeMmdTest, GradientIsThatOfTheDefinitionWithTheBandwidthHeld) {
  at::manual_seed(6);
  at::Tensor x = Normal({6, 3}), y = Normal({6, 3}) + 0.5;
  double held = MeanPairDistance(at::cat({x, y}));
  ExpectGradient(
      [&](const at::Tensor& probe) {
        return probe.requires_grad()
                   ? LinearTimeMmd(probe, y)
                   : at::full({}, BruteForceLinearMmd(probe, y, held), at::kDouble);
      },
      x);
}

TEST(LinearTimeMmdTest, HasMeanZeroWhenTheDistributionsAreEqual) {
  at::manual_seed(12);
  constexpr int kDraws = 1000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    double value = LinearTimeMmd(Normal({16, 4}), Normal({16, 4})).item<double>();
    sum += value;
    squares += value * value;
  }
  double mean = sum / kDraws, deviation = std::sqrt(squares / kDraws - mean * mean);
  EXPECT_LT(std::abs(mean), 4 * deviation / std::sqrt(kDraws));
}

TEST(LinearTimeMmdTest, RefusesFewerThanTwoRows) {
  EXPECT_THROW(LinearTimeMmd(at::randn({1, 3}), at::randn({4, 3})), c10::Error);
}

TEST(LinearTimeMmdTest, RefusesTheMedian) {
  MkMmdOptions median;
  median.bandwidth = Bandwidth::kMedian;
  EXPECT_THROW(LinearTimeMmd(at::randn({4, 3}), at::randn({4, 3}), median), c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
