#include "core/job/feature_view.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/job/evaluation.h"

namespace acclimate::job {
namespace {

at::Tensor Noise(int64_t rows, int64_t columns, uint64_t seed) {
  return at::randn({rows, columns}, at::detail::createCPUGenerator(seed), at::kDouble);
}

// Few columns and many go different ways to the same components.
TEST(PrincipalComponentsTest, KeepsDistancesOfPointsInAPlane) {
  for (const int64_t width : {3, 400}) {
    const at::Tensor plane = Noise(60, 2, 1);
    const at::Tensor points = plane.matmul(Noise(2, width, 2)) + 5;
    const Projection projection = PrincipalComponents(points);
    EXPECT_EQ(projection.coordinates.sizes(), at::IntArrayRef({60, 2}));
    // By differences: what matrix products leave of a distance of 0 is a root of the rounding.
    const auto distances = [](const at::Tensor& x) {
      return at::cdist(x, x, 2, /*compute_mode=*/2);
    };
    EXPECT_TRUE(at::allclose(distances(projection.coordinates), distances(points), 1e-6, 1e-6));
    EXPECT_NEAR(projection.shares.sum().item<double>(), 1, 1e-9);
    EXPECT_GE(projection.shares[0].item<double>(), projection.shares[1].item<double>());
  }
}

TEST(PrincipalComponentsTest, TheLargestCoordinateIsPositive) {
  const at::Tensor points = Noise(50, 4, 3);
  const Projection one = PrincipalComponents(points), other = PrincipalComponents(-points);
  for (const Projection& projection : {one, other}) {
    const at::Tensor c = projection.coordinates;
    EXPECT_TRUE(c.amax(0).ge(-c.amin(0)).all().item<bool>());
  }
}

TEST(PrincipalComponentsTest, OneColumnAndNoVariance) {
  const Projection line = PrincipalComponents(Noise(10, 1, 4));
  EXPECT_EQ(line.coordinates.sizes(), at::IntArrayRef({10, 2}));
  EXPECT_EQ(line.coordinates.select(1, 1).abs().max().item<double>(), 0);
  const Projection point = PrincipalComponents(at::ones({10, 3}));
  EXPECT_EQ(point.coordinates.abs().max().item<double>(), 0);
  EXPECT_EQ(point.shares.abs().max().item<double>(), 0);
}

TEST(PredictionViewTest, PriorAndHistogram) {
  const at::Tensor probabilities =
      at::tensor({0.95, 0.05, 0.55, 0.45, 0.0, 1.0}, at::kDouble).view({3, 2});
  const nlohmann::json view = PredictionView(probabilities);
  EXPECT_EQ(view["predicted_prior"], nlohmann::json({0.5, 0.5}));
  EXPECT_EQ(view["confidence_histogram"], nlohmann::json({0, 0, 0, 0, 0, 1, 0, 0, 0, 2}));
}

TEST(EvaluationTest, CountsByClassAndByConfidence) {
  const at::Tensor probabilities =
      at::tensor({0.75, 0.25, 0.75, 0.25, 0.0, 1.0}, at::kDouble).view({3, 2});
  const Evaluation evaluation = CountProbabilities(probabilities, at::tensor({0, 1, 1}, at::kLong));
  EXPECT_TRUE(evaluation.confusion.equal(at::tensor({1, 0, 1, 1}, at::kLong).view({2, 2})));
  const at::Tensor bins = evaluation.reliability;
  EXPECT_TRUE(bins[7].equal(at::tensor({2.0, 1.5, 1.0}, at::kDouble)));
  EXPECT_TRUE(bins[9].equal(at::tensor({1.0, 1.0, 1.0}, at::kDouble)));
  EXPECT_EQ(bins.select(1, 0).sum().item<double>(), 3);
}

}  // namespace
}  // namespace acclimate::job
