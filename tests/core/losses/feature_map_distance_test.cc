#include "core/losses/feature_map_distance.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double BruteForceMapDistance(const at::Tensor& maps, const at::Tensor& start,
                             const at::Tensor& attention) {
  const int64_t n = maps.size(0), filters = maps.size(1);
  const at::Tensor a = maps.flatten(1), b = start.flatten(1);
  const int64_t places = a.size(1) / filters;
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < filters; ++j) {
      double distance = 0;
      for (int64_t p = 0; p < places; ++p) {
        distance +=
            std::pow(a[i][j * places + p].item<double>() - b[i][j * places + p].item<double>(), 2);
      }
      sum += attention[j].item<double>() * distance;
    }
  }
  return sum * filters / (2.0 * places * n);
}

TEST(FeatureMapDistanceTest, EqualsItsDefinition) {
  at::manual_seed(1);
  const at::Tensor attention = Normal({3}).softmax(0);
  const std::vector<std::vector<int64_t>> shapes = {{4, 3}, {4, 3, 5}, {2, 3, 2, 4}};
  for (const std::vector<int64_t>& shape : shapes) {
    const at::Tensor maps = Normal(shape), start = Normal(shape);
    EXPECT_NEAR(FeatureMapDistance(maps, start, attention).item<double>(),
                BruteForceMapDistance(maps, start, attention), 1e-12);
    EXPECT_EQ(FeatureMapDistance(maps, maps, attention).item<double>(), 0);
  }
}

TEST(FeatureMapDistanceTest, GradientIsRightAndTheStartHasNone) {
  at::manual_seed(2);
  const at::Tensor attention = Normal({3}).softmax(0);
  const at::Tensor start = Normal({2, 3, 2, 2}).requires_grad_();
  ExpectGradient(
      [&](const at::Tensor& probe) { return FeatureMapDistance(probe, start, attention); },
      Normal({2, 3, 2, 2}));
  EXPECT_FALSE(start.grad().defined());
}

TEST(FeatureMapDistanceTest, FilterWithoutAttentionIsFree) {
  at::manual_seed(3);
  const at::Tensor maps = Normal({2, 2, 3}), start = maps.clone();
  start.select(1, 1).add_(1.0);
  EXPECT_EQ(FeatureMapDistance(maps, start, at::tensor({1.0, 0.0}, at::kDouble)).item<double>(), 0);
}

TEST(FeatureMapDistanceTest, RefusesWrongShapes) {
  EXPECT_THROW(FeatureMapDistance(at::ones({2, 3}), at::ones({2, 4}), at::ones({3})), c10::Error);
  EXPECT_THROW(FeatureMapDistance(at::ones({2, 3}), at::ones({2, 3}), at::ones({4})), c10::Error);
}

TEST(FilterAttentionTest, IsTheSoftmaxOfTheRiseInLoss) {
  const at::Tensor attention =
      FilterAttention(at::tensor({0.5, 2.0, 1.0}, at::kDouble), /*loss=*/0.75);
  const double sum = std::exp(-0.25) + std::exp(1.25) + std::exp(0.25);
  EXPECT_NEAR(attention[0].item<double>(), std::exp(-0.25) / sum, 1e-12);
  EXPECT_NEAR(attention[1].item<double>(), std::exp(1.25) / sum, 1e-12);
  EXPECT_NEAR(attention[2].item<double>(), std::exp(0.25) / sum, 1e-12);
}

}  // namespace
}  // namespace acclimate::losses
