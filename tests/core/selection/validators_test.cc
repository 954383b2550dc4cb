// Every validator against plain loops in double, and what it says of a collapsed classifier.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/selection/clusters.h"
#include "core/selection/confidence.h"
#include "core/selection/domain_weights.h"
#include "core/selection/neighborhood_density.h"
#include "tests/core/normal_samples.h"

namespace acclimate::selection {
namespace {

using ::acclimate::testing::Normal;

using Matrix = std::vector<std::vector<double>>;

Matrix Rows(const at::Tensor& tensor) {
  const at::Tensor rows = tensor.to(at::kDouble).contiguous();
  Matrix matrix(rows.size(0), std::vector<double>(rows.size(1)));
  for (size_t i = 0; i < matrix.size(); ++i) {
    for (size_t j = 0; j < matrix[i].size(); ++j) matrix[i][j] = rows[i][j].item<double>();
  }
  return matrix;
}

Matrix Probabilities(const at::Tensor& logits) {
  Matrix p = Rows(logits);
  for (auto& row : p) {
    double sum = 0;
    for (double& z : row) sum += z = std::exp(z);
    for (double& z : row) z /= sum;
  }
  return p;
}

double EntropyOf(const std::vector<double>& p) {
  double entropy = 0;
  for (const double q : p) entropy -= q > 0 ? q * std::log(q) : 0;
  return entropy;
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

Matrix UnitLength(Matrix rows) {
  for (auto& row : rows) {
    const double length = std::sqrt(Dot(row, row));
    for (double& x : row) x /= length;
  }
  return rows;
}

size_t ArgMax(const std::vector<double>& row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

at::Tensor Labels(std::vector<int64_t> labels) { return at::tensor(labels, at::kLong); }

// Sure of the first class everywhere.
at::Tensor CollapsedLogits(int64_t samples, int64_t classes) {
  at::Tensor logits = at::zeros({samples, classes}, at::kDouble);
  logits.select(1, 0).fill_(30.0);
  return logits;
}

TEST(Confidence, EqualsPlainLoops) {
  const at::Tensor logits = 2 * Normal({7, 4}, 1);
  const Matrix p = Probabilities(logits);
  double mean_entropy = 0;
  std::vector<double> mean(4, 0.0);
  for (const auto& row : p) {
    mean_entropy += EntropyOf(row) / 7;
    for (size_t c = 0; c < 4; ++c) mean[c] += row[c] / 7;
  }
  EXPECT_NEAR(NegativeEntropy(logits), -mean_entropy, 1e-12);
  EXPECT_NEAR(MutualInformation(logits), EntropyOf(mean) - mean_entropy, 1e-12);
}

TEST(Confidence, NuclearNormOfSureAndDiversePredictionsIsOne) {
  EXPECT_NEAR(NuclearNorm(50 * at::eye(4, at::kDouble).repeat({3, 1})), 1.0, 1e-6);
  EXPECT_NEAR(NuclearNorm(CollapsedLogits(12, 4)), 0.5, 1e-6);  // sqrt(12) / sqrt(12 * 4)
  const at::Tensor logits = Normal({9, 4}, 2);
  const double sum = std::get<1>(at::linalg_svd(logits.softmax(1))).sum().item<double>();
  EXPECT_NEAR(NuclearNorm(logits), sum / 6, 1e-9);
}

TEST(Confidence, ClassesInUse) {
  EXPECT_NEAR(ClassesInUse(at::eye(5, at::kDouble)), 5.0, 1e-12);
  EXPECT_NEAR(ClassesInUse(CollapsedLogits(8, 5)), 1.0, 1e-12);
}

TEST(NeighborhoodDensity, EqualsPlainLoops) {
  const at::Tensor logits = 2 * Normal({8, 3}, 3);
  const Matrix p = UnitLength(Probabilities(logits));
  double density = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    std::vector<double> row;
    for (size_t j = 0; j < p.size(); ++j) {
      if (j != i) row.push_back(std::exp(Dot(p[i], p[j]) / 0.05));
    }
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    for (double& q : row) q /= sum;
    density += EntropyOf(row) / static_cast<double>(p.size());
  }
  EXPECT_NEAR(NeighborhoodDensity(logits), density, 1e-4);
}

TEST(NeighborhoodDensity, RewardsCollapseAsThePaperSays) {
  EXPECT_NEAR(NeighborhoodDensity(CollapsedLogits(9, 3)), std::log(8.0), 1e-5);
}

double Information(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  const double n = static_cast<double>(a.size());
  double information = 0;
  for (int64_t x = 0; x < 3; ++x) {
    for (int64_t y = 0; y < 3; ++y) {
      double both = 0, in_a = 0, in_b = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        both += a[i] == x && b[i] == y;
        in_a += a[i] == x;
        in_b += b[i] == y;
      }
      if (both > 0) information += both / n * std::log(n * both / (in_a * in_b));
    }
  }
  return information;
}

// The expectation over all 7! orders of one labelling.
TEST(AdjustedMutualInformation, EqualsTheMeanOverAllPermutations) {
  const std::vector<int64_t> a = {0, 0, 0, 1, 1, 2, 2}, b = {0, 0, 1, 1, 1, 2, 0};
  std::vector<size_t> order(7);
  std::iota(order.begin(), order.end(), 0);
  double expected = 0, count = 0;
  do {
    std::vector<int64_t> permuted;
    for (const size_t i : order) permuted.push_back(b[i]);
    expected += Information(a, permuted);
    ++count;
  } while (std::next_permutation(order.begin(), order.end()));
  expected /= count;
  const double entropies = (Information(a, a) + Information(b, b)) / 2;
  EXPECT_NEAR(AdjustedMutualInformation(Labels(a), Labels(b)),
              (Information(a, b) - expected) / (entropies - expected), 1e-10);
}

TEST(AdjustedMutualInformation, Ends) {
  EXPECT_NEAR(AdjustedMutualInformation(Labels({0, 0, 1, 1}), Labels({1, 1, 0, 0})), 1.0, 1e-12);
  EXPECT_EQ(AdjustedMutualInformation(Labels({0, 0, 0, 0}), Labels({0, 1, 2, 3})), 0.0);
  // sklearn.metrics.adjusted_mutual_info_score.
  EXPECT_NEAR(AdjustedMutualInformation(Labels({0, 0, 0, 1, 1, 1}), Labels({0, 0, 1, 1, 2, 2})),
              0.298792458, 1e-8);
}

// Three clouds far apart: [30, 5].
at::Tensor LabelledClouds(at::Tensor* labels) {
  *labels = at::arange(30, at::kLong).remainder(3);
  const at::Tensor centres = 10 * at::eye(3, 5, at::kDouble);
  return centres.index_select(0, *labels) + 0.2 * Normal({30, 5}, 4);
}

TEST(KMeans, FindsCloudsAndRepeatsItself) {
  at::Tensor labels;
  const at::Tensor points = LabelledClouds(&labels);
  const at::Tensor clusters = KMeans(points, 3, 5);
  EXPECT_NEAR(AdjustedMutualInformation(labels, clusters), 1.0, 1e-12);
  EXPECT_TRUE(clusters.equal(KMeans(points, 3, 5)));
  EXPECT_EQ(KMeans(at::ones({4, 2}), 9, 1).size(0), 4);  // fewer points than clusters, all equal
}

TEST(ClassAmi, OfRightWrongAndCollapsedPredictions) {
  at::Tensor labels;
  const at::Tensor points = LabelledClouds(&labels);
  const at::Tensor right = at::one_hot(labels, 3).to(at::kDouble);
  EXPECT_NEAR(ClassAmi(points, right), 1.0, 1e-9);
  EXPECT_LT(ClassAmi(points, right.roll(1, 0).index_fill(0, at::arange(15), 0.5)), 0.7);
  EXPECT_EQ(ClassAmi(points, CollapsedLogits(30, 3)), 0.0);
}

TEST(Silhouette, EqualsPlainLoops) {
  const at::Tensor features = Normal({11, 3}, 6), logits = Normal({11, 4}, 7);
  const Matrix x = UnitLength(Rows(features)), z = Rows(logits);
  double mean = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    std::vector<double> sum(4, 0.0), count(4, 0.0);
    for (size_t j = 0; j < x.size(); ++j) {
      if (j == i) continue;
      double squares = 0;
      for (size_t d = 0; d < 3; ++d) squares += (x[i][d] - x[j][d]) * (x[i][d] - x[j][d]);
      sum[ArgMax(z[j])] += std::sqrt(squares);
      ++count[ArgMax(z[j])];
    }
    const size_t own = ArgMax(z[i]);
    if (count[own] == 0) continue;
    const double a = sum[own] / count[own];
    double b = std::numeric_limits<double>::infinity();
    for (size_t c = 0; c < 4; ++c) {
      if (c != own && count[c] > 0) b = std::min(b, sum[c] / count[c]);
    }
    mean += (b - a) / std::max(a, b) / static_cast<double>(x.size());
  }
  EXPECT_NEAR(Silhouette(features, logits), mean, 1e-6);
  EXPECT_EQ(Silhouette(features, CollapsedLogits(11, 4)), -1.0);
}

// One feature: gradient descent on the two parameters, written out.
TEST(TargetProbability, MinimisesTheRegularisedLoss) {
  const at::Tensor source = Normal({40, 1}, 8), target = 1 + 2 * Normal({25, 1}, 9);
  std::vector<double> x, t;
  for (int64_t i = 0; i < 40; ++i) x.push_back(source[i][0].item<double>()), t.push_back(0);
  for (int64_t i = 0; i < 25; ++i) x.push_back(target[i][0].item<double>()), t.push_back(1);
  const double n = 65;
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double variance = 0;
  for (const double v : x) variance += (v - mean) * (v - mean) / n;
  for (double& v : x) v = (v - mean) / std::sqrt(variance);
  double w = 0, b = 0;
  const auto p = [&](size_t i) { return 1 / (1 + std::exp(-(w * x[i] + b))); };
  for (int step = 0; step < 5000; ++step) {
    double gradient_w = 0.01 * w, gradient_b = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      gradient_w += (p(i) - t[i]) * x[i] / n;
      gradient_b += (p(i) - t[i]) / n;
    }
    w -= gradient_w;
    b -= gradient_b;
  }
  const at::Tensor found = TargetProbability(source, target);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(found[static_cast<int64_t>(i)].item<double>(), p(i), 1e-4);
  }
  EXPECT_NEAR(DensityRatios(source, target)[3].item<double>(), 40.0 / 25 * p(3) / (1 - p(3)), 1e-3);
}

TEST(DensityRatios, OfOneAndTheSameDomainAreOne) {
  const at::Tensor sample = Normal({50, 3}, 10);
  EXPECT_LT((DensityRatios(sample, sample) - 1).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(
      DensityRatios(Normal({30, 400}, 11), Normal({30, 400}, 12)).isfinite().all().item<bool>());
}

TEST(DeepEmbeddedValidation, EqualsPlainLoops) {
  const std::vector<double> w = {0.5, 2.0, 1.0, 0.1, 1.6}, l = {0, 1, 1, 0, 1};
  double mean_wl = 0, mean_w = 0, covariance = 0, variance = 0;
  for (size_t i = 0; i < w.size(); ++i) mean_wl += w[i] * l[i] / 5, mean_w += w[i] / 5;
  for (size_t i = 0; i < w.size(); ++i) {
    covariance += (w[i] * l[i] - mean_wl) * (w[i] - mean_w);
    variance += (w[i] - mean_w) * (w[i] - mean_w);
  }
  const double eta = -covariance / variance;
  EXPECT_NEAR(DeepEmbeddedValidation(at::tensor(w, at::kDouble), at::tensor(l, at::kDouble)),
              -(mean_wl + eta * mean_w - eta), 1e-12);
  // Equal weights: the plain risk.
  EXPECT_NEAR(DeepEmbeddedValidation(at::ones(5, at::kDouble), at::tensor(l, at::kDouble)), -0.6,
              1e-12);
}

TEST(NearestSource, EqualsPlainLoops) {
  const at::Tensor source = Normal({12, 3}, 13), target = Normal({9, 3}, 14);
  const at::Tensor logits = Normal({9, 4}, 15);
  const at::Tensor labels = at::arange(12, at::kLong).remainder(3);  // the fourth has no samples
  const Matrix s = UnitLength(Rows(source)), t = UnitLength(Rows(target)), z = Rows(logits);
  Matrix centroids(3, std::vector<double>(3, 0.0));
  for (size_t i = 0; i < s.size(); ++i) {
    for (size_t d = 0; d < 3; ++d) centroids[i % 3][d] += s[i][d] / 4;
  }
  centroids = UnitLength(centroids);
  double agree = 0;
  for (size_t i = 0; i < t.size(); ++i) {
    std::vector<double> similarity;
    for (const auto& centroid : centroids) similarity.push_back(Dot(t[i], centroid));
    agree += ArgMax(similarity) == ArgMax(z[i]);
  }
  EXPECT_NEAR(NearestSource(source, labels, target, logits), agree / 9, 1e-12);
}

}  // namespace
}  // namespace acclimate::selection
