#include "core/methods/source_free/laplacian_adjustment.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace acclimate::methods {
namespace {

void ExpectNearest(const at::Tensor& found, const at::Tensor& points) {
  ASSERT_EQ(found.sizes(), at::IntArrayRef({700, 3}));
  for (const int64_t i : {0, 17, 511, 512, 699}) {
    std::vector<std::pair<double, int64_t>> distances;
    for (int64_t j = 0; j < 700; ++j) {
      if (j != i) distances.emplace_back((points[i] - points[j]).norm().item<double>(), j);
    }
    std::sort(distances.begin(), distances.end());
    std::set<int64_t> expected, actual;
    for (int k = 0; k < 3; ++k) {
      expected.insert(distances[k].second);
      actual.insert(found[i][k].item<int64_t>());
    }
    EXPECT_EQ(actual, expected) << i;
  }
}

TEST(NearestNeighborsTest, EqualsASearchInLoops) {
  at::manual_seed(1);
  const at::Tensor features = at::randn({700, 5});  // more than one block of rows
  ExpectNearest(NearestNeighbors(features, 3), features / features.norm(2, {1}, true));
  ExpectNearest(NearestNeighbors(features, 3, Nearness::kDistance), features);
}

TEST(NearestNeighborsTest, TwinsAndFewSamples) {
  const at::Tensor found = NearestNeighbors(at::ones({3, 2}), 5);
  ASSERT_EQ(found.sizes(), at::IntArrayRef({3, 2}));
  for (int64_t i = 0; i < 3; ++i) EXPECT_FALSE(found[i].eq(i).any().item<bool>());
}

// With a dense affinity, in plain loops, run to its end.
void ExpectDenseForm(Affinity affinity) {
  at::manual_seed(2);
  const int64_t n = 30, classes = 3;
  const at::Tensor log_p = (at::randn({n, classes}, at::kDouble)).log_softmax(1);
  const at::Tensor neighbors = NearestNeighbors(at::randn({n, 4}), 4);
  std::vector<std::vector<double>> w(n, std::vector<double>(n, 0.0));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < 4; ++k) {
      const int64_t j = neighbors[i][k].item<int64_t>();
      if (affinity == Affinity::kDirected) {
        w[i][j] = 1.0;
      } else {
        w[i][j] += 0.5;
        w[j][i] += 0.5;
      }
    }
  }
  std::vector<std::vector<double>> y(n, std::vector<double>(classes));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < classes; ++c) y[i][c] = std::exp(log_p[i][c].item<double>());
  }
  const LaplacianResult result = LaplacianAdjustment(log_p, neighbors, 0.5, affinity);
  for (int64_t iteration = 0; iteration < result.iterations; ++iteration) {
    auto next = y;
    for (int64_t i = 0; i < n; ++i) {
      double total = 0;
      for (int64_t c = 0; c < classes; ++c) {
        double pull = 0;
        for (int64_t j = 0; j < n; ++j) pull += 0.5 * w[i][j] * y[j][c];
        next[i][c] = std::exp(log_p[i][c].item<double>() + pull);
        total += next[i][c];
      }
      for (int64_t c = 0; c < classes; ++c) next[i][c] /= total;
    }
    y = next;
  }
  EXPECT_GT(result.iterations, 3);
  EXPECT_LT(result.iterations, 100);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < classes; ++c) {
      EXPECT_NEAR(result.probabilities[i][c].item<double>(), y[i][c], 1e-10);
    }
  }
}

TEST(LaplacianAdjustmentTest, EqualsTheDenseFormOfThePaper) {
  ExpectDenseForm(Affinity::kDirected);
}

TEST(LaplacianAdjustmentTest, EqualsTheDenseSymmetricForm) {
  ExpectDenseForm(Affinity::kSymmetric);
}

TEST(LaplacianAdjustmentTest, NeighboursOutvoteAnUnsureSample) {
  const at::Tensor p =
      at::tensor({0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.45, 0.55}, at::kDouble).view({4, 2});
  const at::Tensor neighbors = at::tensor({1, 2, 0, 2, 0, 1, 0, 1}, at::kLong).view({4, 2});
  const LaplacianResult result = LaplacianAdjustment(p.log(), neighbors, 1.0);
  EXPECT_EQ(result.probabilities.argmax(1).sum().item<int64_t>(), 0);
}

}  // namespace
}  // namespace acclimate::methods
