// LogME, LEEP, NCE, H-score and TransRate against their definitions.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/shift/h_score.h"
#include "core/shift/leep.h"
#include "core/shift/logme.h"
#include "core/shift/nce.h"
#include "core/shift/transfer_scores.h"
#include "core/shift/transrate.h"
#include "tests/core/normal_samples.h"

namespace acclimate::shift {
namespace {

using ::acclimate::testing::Normal;

at::Tensor Labels(int64_t samples, int64_t classes) {
  return at::arange(samples, at::kLong).remainder(classes);
}

// ln p(y | alpha, beta) of y ~ N(0, I / beta + F F' / alpha), divided by N: the evidence without
// any of the algebra of LogME.
double GaussianEvidence(const at::Tensor& f, const at::Tensor& y, double alpha, double beta) {
  const int64_t n = f.size(0);
  const at::Tensor covariance = at::eye(n, at::kDouble) / beta + f.mm(f.t()) / alpha;
  const double quadratic = y.dot(at::linalg_solve(covariance, y)).item<double>();
  const double log_det = std::get<1>(at::linalg_slogdet(covariance)).item<double>();
  return -(n * std::log(2 * M_PI) + log_det + quadratic) / (2.0 * n);
}

// The maximum over alpha and beta, by a search that narrows around the best of a grid.
double BestEvidence(const at::Tensor& f, const at::Tensor& y) {
  double best = -INFINITY, log_alpha = 0, log_beta = 0;
  for (double width = 8; width > 1e-4; width /= 2) {
    const double centre_alpha = log_alpha, centre_beta = log_beta;
    for (int i = -4; i <= 4; ++i) {
      for (int j = -4; j <= 4; ++j) {
        const double a = centre_alpha + i * width / 4, b = centre_beta + j * width / 4;
        const double evidence = GaussianEvidence(f, y, std::exp(a), std::exp(b));
        if (evidence > best) {
          best = evidence;
          log_alpha = a;
          log_beta = b;
        }
      }
    }
  }
  return best;
}

// More samples than features, and fewer: the eigenvalues that are zero count as well.
TEST(LogMeTest, IsTheMaximumOfTheEvidence) {
  for (const int64_t features : {4, 30}) {
    const at::Tensor labels = Labels(20, 2);
    at::Tensor f = Normal({20, features}, 1);
    f.select(1, 0).add_(labels.to(at::kDouble) * 2);
    double expected = 0;
    for (int64_t c = 0; c < 2; ++c) {
      expected += BestEvidence(f, labels.eq(c).to(at::kDouble)) / 2;
    }
    EXPECT_NEAR(LogMe(f, labels, 2), expected, 1e-4) << features;
  }
}

TEST(LogMeTest, LeavesOutClassesWithoutSamples) {
  const at::Tensor f = Normal({30, 5}, 1), labels = Labels(30, 3);
  EXPECT_NEAR(LogMe(f, labels, 3), LogMe(f, labels, 7), 1e-12);
}

TEST(LeepTest, EqualsItsDefinition) {
  const int64_t n = 12, z = 4, c = 3;
  const at::Tensor theta = Normal({n, z}, 1).softmax(1), labels = Labels(n, c);
  const auto p = theta.accessor<double, 2>();
  double expected = 0;
  for (int64_t i = 0; i < n; ++i) {
    double likelihood = 0;
    for (int64_t k = 0; k < z; ++k) {
      double joint = 0, marginal = 0;
      for (int64_t j = 0; j < n; ++j) {
        marginal += p[j][k];
        if (j % c == i % c) joint += p[j][k];
      }
      likelihood += joint / marginal * p[i][k];
    }
    expected += std::log(likelihood) / n;
  }
  EXPECT_NEAR(Leep(theta, labels, c), expected, 1e-12);
}

TEST(LeepTest, IsZeroWhenThePredictionTellsTheLabel) {
  const at::Tensor labels = Labels(12, 3);
  const at::Tensor renamed = at::one_hot((labels + 1).remainder(3), 5).to(at::kDouble);
  EXPECT_NEAR(Leep(renamed, labels, 3), 0, 1e-12);
  EXPECT_NEAR(Leep(at::full({12, 5}, 0.2), labels, 3), -std::log(3.0), 1e-6);
}

TEST(NceTest, EqualsItsDefinitionAndKnownAnswers) {
  const at::Tensor labels = at::tensor({0, 0, 1, 1, 0, 1}, at::kLong);
  const at::Tensor predicted = at::tensor({0, 0, 0, 2, 2, 2}, at::kLong);
  // Given 0: labels (2/3, 1/3); given 2: (1/3, 2/3).
  const double entropy = -(2.0 / 3 * std::log(2.0 / 3) + 1.0 / 3 * std::log(1.0 / 3));
  EXPECT_NEAR(NegativeConditionalEntropy(predicted, labels, 2), -entropy, 1e-12);
  EXPECT_NEAR(NegativeConditionalEntropy(labels + 3, labels, 2), 0, 1e-12);
  EXPECT_NEAR(NegativeConditionalEntropy(at::zeros({6}, at::kLong), labels, 2), -std::log(2.0),
              1e-12);
}

TEST(HScoreTest, EqualsItsDefinition) {
  const int64_t n = 24, d = 3, c = 4;
  const at::Tensor labels = Labels(n, c);
  const at::Tensor f = Normal({n, d}, 1) + labels.unsqueeze(1).to(at::kDouble);
  const at::Tensor centred = f - f.mean(0);
  const at::Tensor covariance = centred.t().mm(centred) / n;
  at::Tensor means = at::zeros({n, d}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = i % c; j < n; j += c) means[i] += centred[j] / (n / c);
  }
  const at::Tensor between = means.t().mm(means) / n;
  const double expected = at::linalg_solve(covariance, between).trace().item<double>();
  EXPECT_NEAR(HScore(f, labels, c), expected, 1e-9);
  // A coordinate that only repeats another adds nothing.
  EXPECT_NEAR(HScore(at::cat({f, f.narrow(1, 0, 1) * 2}, 1), labels, c), expected, 1e-6);
}

TEST(HScoreTest, IsOneLessThanTheClassesWhenFeaturesAreTheClasses) {
  const at::Tensor labels = Labels(30, 3);
  EXPECT_NEAR(HScore(at::one_hot(labels, 3), labels, 3), 2, 1e-9);
}

TEST(TransRateTest, EqualsItsDefinition) {
  const int64_t n = 20, d = 3, c = 2;
  constexpr double kEpsilon = 1e-2;
  const at::Tensor f = Normal({n, d}, 1), labels = Labels(n, c);
  const at::Tensor centred = f - f.mean(0);
  const at::Tensor z = centred / std::sqrt(centred.square().sum().item<double>() / n);
  const auto rate = [&](const at::Tensor& rows) {
    const at::Tensor matrix =
        at::eye(d, at::kDouble) + rows.t().mm(rows) / (rows.size(0) * kEpsilon);
    return 0.5 * std::log(at::det(matrix).item<double>());
  };
  double expected = rate(z);
  for (int64_t k = 0; k < c; ++k) expected -= rate(z.slice(0, k, n, c)) / c;
  EXPECT_NEAR(TransRate(f, labels, c, kEpsilon), expected, 1e-9);
  EXPECT_NEAR(TransRate(f * 100 + 3, labels, c, kEpsilon), expected, 1e-9);
  // Fewer rows than features go through the other Gram matrix.
  EXPECT_NEAR(TransRate(at::cat({f, at::zeros({n, 40}, at::kDouble)}, 1), labels, c, kEpsilon),
              expected, 1e-9);
}

TEST(TransferScoresTest, AllPreferFeaturesThatTellTheClasses) {
  const at::Tensor labels = Labels(120, 3);
  const at::Tensor classes = at::one_hot(labels, 3).to(at::kFloat) * 3;
  const at::Tensor noise = Normal({120, 3}, 1).to(at::kFloat);
  const TransferScores good = ScoreTransfer(classes + noise, classes + noise, labels, 3);
  const TransferScores bad = ScoreTransfer(noise, noise, labels, 3);
  EXPECT_GT(good.logme, bad.logme + 0.1);
  EXPECT_GT(good.leep, bad.leep + 0.1);
  EXPECT_GT(good.nce, bad.nce + 0.1);
  EXPECT_GT(good.h_score, bad.h_score + 0.5);
  EXPECT_GT(good.transrate, bad.transrate + 0.1);
}

}  // namespace
}  // namespace acclimate::shift
