#include "core/losses/mk_mmd.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double Distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).square().sum().item<double>();
}

double MeanDistance(const at::Tensor& all) {
  double sum = 0;
  for (int64_t i = 0; i < all.size(0); ++i) {
    for (int64_t j = 0; j < all.size(0); ++j) sum += Distance(all[i], all[j]);
  }
  return sum / (all.size(0) * all.size(0));
}

double MedianDistance(const at::Tensor& all) {
  std::vector<double> distances;
  for (int64_t i = 0; i < all.size(0); ++i) {
    for (int64_t j = i + 1; j < all.size(0); ++j) distances.push_back(Distance(all[i], all[j]));
  }
  std::sort(distances.begin(), distances.end());
  return distances[(distances.size() - 1) / 2];
}

double Scale(const at::Tensor& all, Bandwidth bandwidth) {
  return bandwidth == Bandwidth::kMean ? MeanDistance(all) : MedianDistance(all);
}

// The definition, pair by pair; `scale` 0: that of the samples themselves.
double BruteForceMkMmd(const at::Tensor& x, const at::Tensor& y, const MkMmdOptions& options,
                       double scale = 0) {
  if (scale == 0) scale = Scale(at::cat({x, y}), options.bandwidth);
  auto mean_kernel = [&](const at::Tensor& a, const at::Tensor& b, bool same) {
    double sum = 0;
    for (int64_t i = 0; i < a.size(0); ++i) {
      for (int64_t j = 0; j < b.size(0); ++j) {
        if (same && options.unbiased && i == j) continue;
        for (double multiplier : options.bandwidth_multipliers) {
          sum += std::exp(-Distance(a[i], b[j]) / (2 * multiplier * scale));
        }
      }
    }
    return sum / (a.size(0) * (b.size(0) - (same && options.unbiased ? 1 : 0)));
  };
  return mean_kernel(x, x, true) + mean_kernel(y, y, true) - 2 * mean_kernel(x, y, false);
}

class MkMmdTest : public ::testing::TestWithParam<MkMmdOptions> {
 protected:
  MkMmdTest() { at::manual_seed(7); }
};

TEST_P(MkMmdTest, EqualsItsDefinition) {
  for (auto [n, m] : {std::pair(6, 6), std::pair(5, 9), std::pair(8, 3)}) {
    at::Tensor x = Normal({n, 4}), y = Normal({m, 4}) * 1.5 + 0.7;
    EXPECT_NEAR(MkMmd(x, y, GetParam()).item<double>(), BruteForceMkMmd(x, y, GetParam()), 1e-12);
  }
}

// The bandwidth is held constant, so the numeric derivative must hold it too.
TEST_P(MkMmdTest, GradientIsThatOfTheDefinitionWithTheBandwidthHeld) {
  at::Tensor x = Normal({4, 3}), y = Normal({6, 3}) + 0.5;
  double held = Scale(at::cat({x, y}), GetParam().bandwidth);
  const MkMmdOptions& options = GetParam();
  auto along = [&](const at::Tensor& sample, bool is_source) {
    return [&options, &x, &y, held, sample, is_source](const at::Tensor& probe) {
      const at::Tensor& a = is_source ? probe : x;
      const at::Tensor& b = is_source ? y : probe;
      if (probe.requires_grad()) return MkMmd(a, b, options);
      return at::full({}, BruteForceMkMmd(a, b, options, held), at::kDouble);
    };
  };
  ExpectGradient(along(x, true), x);
  ExpectGradient(along(y, false), y);
}

TEST_P(MkMmdTest, DoesNotChangeWhenBothSamplesMove) {
  at::Tensor x = at::randn({20, 8}), y = at::randn({30, 8}) + 0.5;
  double here = MkMmd(x, y, GetParam()).item<double>();
  double there = MkMmd(x + 100, y + 100, GetParam()).item<double>();
  EXPECT_NEAR(here, there, 1e-4 * std::abs(here));
}

constexpr Bandwidth kMean = Bandwidth::kMean, kMedian = Bandwidth::kMedian;
INSTANTIATE_TEST_SUITE_P(
    Statistics, MkMmdTest,
    ::testing::Values(MkMmdOptions{}, MkMmdOptions{{0.25, 0.5, 1, 2, 4}, kMean, true},
                      MkMmdOptions{{4, 0.5}, kMean, false},     // three squarings apart
                      MkMmdOptions{{1, 0.3, 2}, kMean, false},  // not powers of two, unsorted
                      MkMmdOptions{{0.7}, kMean, true}, MkMmdOptions{{0.5, 1}, kMedian, true}));

TEST(MkMmdMedianTest, FallsBackOnTheMeanWhenHalfOfThePairsAreAlike) {
  at::Tensor x = at::zeros({6, 2}, at::kDouble), y = at::zeros({6, 2}, at::kDouble);
  y[0].fill_(1);
  MkMmdOptions median;
  median.bandwidth = kMedian;
  EXPECT_EQ(MkMmd(x, y, median).item<double>(), MkMmd(x, y).item<double>());
}

TEST(MkMmdVStatisticTest, IsExactlyZeroForIdenticalSamples) {
  at::Tensor x = at::randn({37, 19}).requires_grad_();
  EXPECT_EQ(MkMmd(x, x).item<float>(), 0.0f);
  EXPECT_EQ(MkMmd(x, x.detach().clone()).item<float>(), 0.0f);
}

TEST(MkMmdVStatisticTest, IsNeverNegative) {
  at::manual_seed(3);
  for (int i = 0; i < 50; ++i) {
    EXPECT_GE(MkMmd(Normal({5, 3}), Normal({7, 3})).item<double>(), -1e-15);
  }
}

TEST(MkMmdUStatisticTest, HasMeanZeroWhenTheDistributionsAreEqual) {
  at::manual_seed(11);
  constexpr int kDraws = 1000;
  MkMmdOptions unbiased;
  unbiased.unbiased = true;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    double value = MkMmd(Normal({16, 4}), Normal({16, 4}), unbiased).item<double>();
    sum += value;
    squares += value * value;
  }
  double mean = sum / kDraws, deviation = std::sqrt(squares / kDraws - mean * mean);
  // The V statistic is above zero by far more than this: its diagonals alone give 5 * 2 / 16.
  EXPECT_LT(std::abs(mean), 4 * deviation / std::sqrt(kDraws));
}

TEST(MkMmdEdgeTest, SamplesAllAlikeGiveZeroAndAFiniteGradient) {
  at::Tensor x = at::ones({4, 3}).requires_grad_(), y = at::ones({5, 3});
  at::Tensor value = MkMmd(x, y);
  value.backward();
  EXPECT_NEAR(value.item<double>(), 0, 1e-6);
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(MkMmdEdgeTest, RefusesWhatItCannotDo) {
  EXPECT_THROW(MkMmd(at::randn({4, 3}), at::randn({4, 2})), c10::Error);
  EXPECT_THROW(MkMmd(at::randn({4}), at::randn({4})), c10::Error);
  EXPECT_THROW(MkMmd(at::randn({4, 3}), Normal({4, 3})), c10::Error);
  EXPECT_THROW(MkMmd(at::randn({0, 3}), at::randn({4, 3})), c10::Error);
  EXPECT_THROW(MkMmd(at::randn({1, 3}), at::randn({4, 3}), MkMmdOptions{{1}, kMean, true}),
               c10::Error);
  EXPECT_THROW(MkMmd(at::randn({4, 3}), at::randn({4, 3}), MkMmdOptions{{}, kMean, false}),
               c10::Error);
  EXPECT_THROW(MkMmd(at::randn({4, 3}), at::randn({4, 3}), MkMmdOptions{{-1}, kMean, false}),
               c10::Error);
}

TEST(MkMmdEdgeTest, RefusesASecondDerivative) {
  at::Tensor x = at::randn({4, 3}).requires_grad_();
  at::Tensor value = MkMmd(x, at::randn({4, 3}));
  EXPECT_THROW(torch::autograd::grad({value}, {x}, {}, true, /*create_graph=*/true), c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
