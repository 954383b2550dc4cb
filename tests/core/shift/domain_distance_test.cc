// JS divergence, the kernel two-sample test, the domain classifier and what it rests on.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/shift/domain_classifier.h"
#include "core/shift/js_divergence.h"
#include "core/shift/logistic_regression.h"
#include "core/shift/mmd_test.h"
#include "core/shift/place_measures.h"
#include "core/shift/representation.h"
#include "core/shift/standardization.h"
#include "tests/core/normal_samples.h"

namespace acclimate::shift {
namespace {

using ::acclimate::testing::Normal;

at::Generator Seeded(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

std::vector<double> Row(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  return std::vector<double>(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
}

double BruteJs(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double m = (p[i] + q[i]) / 2;
    if (p[i] > 0) sum += p[i] * std::log(p[i] / m) / 2;
    if (q[i] > 0) sum += q[i] * std::log(q[i] / m) / 2;
  }
  return sum;
}

TEST(JsDivergenceTest, EqualsItsDefinition) {
  const at::Tensor p = at::tensor({0.1, 0.0, 0.6, 0.3}), q = at::tensor({0.2, 0.5, 0.0, 0.3});
  EXPECT_NEAR(JsDivergence(p, q), BruteJs(Row(p), Row(q)), 1e-7);
  EXPECT_NEAR(JsDivergence(p * 40, q * 7), BruteJs(Row(p), Row(q)), 1e-7);  // counts will do
}

TEST(JsDivergenceTest, IsZeroForEqualAndLnTwoForDisjoint) {
  EXPECT_EQ(JsDivergence(at::tensor({1.0, 3.0}), at::tensor({1.0, 3.0})), 0);
  EXPECT_NEAR(JsDivergence(at::tensor({1.0, 0.0}), at::tensor({0.0, 1.0})), std::log(2.0), 1e-12);
  EXPECT_THROW(JsDivergence(at::tensor({1.0, -1.0}), at::tensor({1.0, 1.0})), c10::Error);
}

// The bins by hand: edges at the pooled quantiles, a value at an edge in the bin above it.
TEST(HistogramJsTest, EqualsItsDefinition) {
  constexpr int64_t kBins = 5;
  const at::Tensor x = Normal({31, 3}, 1), y = Normal({44, 3}, 2) * 2 + 0.5;
  double expected = 0;
  for (int64_t d = 0; d < 3; ++d) {
    const std::vector<double> a = Row(x.select(1, d)), b = Row(y.select(1, d));
    std::vector<double> pooled = a;
    pooled.insert(pooled.end(), b.begin(), b.end());
    std::sort(pooled.begin(), pooled.end());
    std::vector<double> p(kBins), q(kBins);
    const auto count = [&](const std::vector<double>& values, std::vector<double>& shares) {
      for (const double value : values) {
        int64_t bin = 0;
        for (int64_t k = 1; k < kBins; ++k) bin += value >= pooled[k * pooled.size() / kBins];
        shares[bin] += 1.0 / values.size();
      }
    };
    count(a, p);
    count(b, q);
    expected += BruteJs(p, q) / 3;
  }
  EXPECT_NEAR(HistogramJsDivergence(x, y, kBins), expected, 1e-12);
}

TEST(HistogramJsTest, SeesNoDifferenceInWhatDoesNotVaryAndFullOneInWhatDoesNotOverlap) {
  EXPECT_EQ(HistogramJsDivergence(at::ones({40, 2}), at::ones({30, 2}), 10), 0);
  EXPECT_NEAR(HistogramJsDivergence(at::rand({40, 2}), at::rand({40, 2}) + 5, 10), std::log(2.0),
              1e-12);
}

// U statistic and kernels pair by pair.
double BruteMmd(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor all = at::cat({x, y});
  const int64_t rows = all.size(0), n = x.size(0), m = y.size(0);
  std::vector<std::vector<double>> distance(rows, std::vector<double>(rows));
  double mean = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < rows; ++j) {
      distance[i][j] = (all[i] - all[j]).square().sum().item<double>();
      mean += distance[i][j] / (rows * rows);
    }
  }
  double xx = 0, yy = 0, xy = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < rows; ++j) {
      if (i == j) continue;
      double kernel = 0;
      for (const double alpha : {0.25, 0.5, 1.0, 2.0, 4.0}) {
        kernel += std::exp(-distance[i][j] / (2 * alpha * mean));
      }
      if (i < n && j < n) xx += kernel / (n * (n - 1));
      if (i >= n && j >= n) yy += kernel / (m * (m - 1));
      if (i < n && j >= n) xy += kernel / (n * m);
    }
  }
  return xx + yy - 2 * xy;
}

TEST(MmdTestTest, StatisticEqualsItsDefinition) {
  const at::Tensor x = Normal({7, 3}, 1), y = Normal({11, 3}, 2) * 1.5 + 0.4;
  EXPECT_NEAR(MmdPermutationTest(x, y, 1, Seeded(0)).mmd_squared, BruteMmd(x, y), 1e-12);
}

// p-values against the definition: the same divisions, each evaluated anew.
TEST(MmdTestTest, PValueEqualsItsDefinition) {
  constexpr int64_t kPermutations = 60;
  const at::Tensor x = Normal({8, 2}, 3), y = Normal({10, 2}, 4) + 0.35;
  const at::Tensor all = at::cat({x, y});
  const double observed = BruteMmd(x, y);
  at::Generator generator = Seeded(9);
  int reached = 0;
  for (int64_t i = 0; i < kPermutations; ++i) {
    const at::Tensor order = at::randperm(18, generator, at::TensorOptions(at::kLong));
    const at::Tensor first = order.narrow(0, 0, 8), second = order.narrow(0, 8, 10);
    reached += BruteMmd(all.index_select(0, first), all.index_select(0, second)) >= observed;
  }
  ASSERT_GT(reached, 0);
  ASSERT_LT(reached, kPermutations);
  EXPECT_NEAR(MmdPermutationTest(x, y, kPermutations, Seeded(9)).p_value,
              (1.0 + reached) / (1 + kPermutations), 1e-12);
}

TEST(MmdTestTest, RejectsAsOftenAsItsLevelSaysAndAlwaysWhereDomainsDiffer) {
  int rejected = 0, seen = 0;
  constexpr int kDraws = 200;
  for (int i = 0; i < kDraws; ++i) {
    const at::Tensor x = Normal({15, 3}, 2 * i).to(at::kFloat);
    const at::Tensor y = Normal({20, 3}, 2 * i + 1).to(at::kFloat);
    rejected += MmdPermutationTest(x, y, 99, Seeded(i)).p_value <= 0.1;
    if (i < 20) seen += MmdPermutationTest(x, y + 2, 99, Seeded(i)).p_value <= 0.01;
  }
  EXPECT_NEAR(rejected, 0.1 * kDraws, 4 * std::sqrt(0.09 * kDraws));
  EXPECT_EQ(seen, 20);
}

// At the optimum of a convex function the gradient is 0; here by central differences of the
// objective as it stands in the header.
TEST(LogisticRegressionTest, EndsAtTheOptimum) {
  const at::Tensor x = Normal({40, 3}, 1);
  const at::Tensor labels = (x.select(1, 0) + Normal({40}, 2) > 0).to(at::kLong);
  const at::Tensor importance = at::rand({40}, Seeded(3), at::TensorOptions(at::kDouble)) + 0.1;
  constexpr double kL2 = 0.05, kStep = 1e-5;
  const LogisticRegression fit = FitLogisticRegression(x, labels, importance, kL2);
  const std::vector<double> v = Row(importance);
  const auto objective = [&](const std::vector<double>& w) {
    double sum = 0, total = 0;
    for (int64_t i = 0; i < 40; ++i) {
      double z = w[3];
      for (int64_t d = 0; d < 3; ++d) z += w[d] * x[i][d].item<double>();
      const double sign = labels[i].item<int64_t>() == 1 ? 1 : -1;
      sum += v[i] * std::log1p(std::exp(-sign * z));
      total += v[i];
    }
    return sum / total + kL2 / 2 * (w[0] * w[0] + w[1] * w[1] + w[2] * w[2]);
  };
  std::vector<double> w = Row(fit.weight);
  w.push_back(fit.bias);
  for (size_t d = 0; d < 4; ++d) {
    std::vector<double> above = w, below = w;
    above[d] += kStep;
    below[d] -= kStep;
    EXPECT_NEAR((objective(above) - objective(below)) / (2 * kStep), 0, 1e-5) << d;
  }
  EXPECT_NEAR(fit.LogOdds(x)[5].item<double>(), (x[5] * fit.weight).sum().item<double>() + fit.bias,
              1e-12);
}

TEST(LogisticRegressionTest, StaysFiniteWhereTheClassesAreFarApart) {
  const at::Tensor x = at::cat({at::full({20, 2}, -50.0), at::full({20, 2}, 50.0)});
  const at::Tensor labels = at::cat({at::zeros({20}), at::ones({20})});
  const LogisticRegression fit = FitLogisticRegression(x, labels, at::ones({40}), 0.01);
  EXPECT_TRUE(fit.weight.isfinite().all().item<bool>());
  EXPECT_TRUE(fit.LogOdds(x).gt(0).eq(labels.gt(0)).all().item<bool>());
}

TEST(DomainClassifierTest, DistanceIsNearZeroForOneDomainAndTwoForFarOnes) {
  const at::Tensor x = Normal({600, 5}, 1).to(at::kFloat), y = Normal({300, 5}, 2).to(at::kFloat);
  EXPECT_LT(ProxyADistance(ClassifyDomains(x, y, Seeded(0)).error), 0.2);
  EXPECT_EQ(ProxyADistance(ClassifyDomains(x, y + 20, Seeded(0)).error), 2);
  EXPECT_EQ(ProxyADistance(0.5), 0);
  EXPECT_EQ(ProxyADistance(0.75), ProxyADistance(0.25));
}

// Two Gaussians a distance of 2 apart: the best error is Phi(-1) = 0.1587, and the log odds are
// 2 x. Unequal sizes must not move them.
TEST(DomainClassifierTest, FindsTheBestErrorAndTheRatioOfTheDensities) {
  const at::Tensor x = Normal({4000, 1}, 1) - 1, y = Normal({1000, 1}, 2) + 1;
  const at::Tensor more = at::tensor({-1.0, 0.0, 1.0}, at::kDouble).unsqueeze(1);
  const DomainClassification domains = ClassifyDomains(x, y, Seeded(0), more);
  EXPECT_NEAR(domains.error, 0.1587, 0.02);
  EXPECT_NEAR(domains.more_log_odds[1].item<double>(), 0, 0.15);
  EXPECT_NEAR((domains.more_log_odds[2] - domains.more_log_odds[0]).item<double>(), 4, 0.6);
  EXPECT_NEAR((domains.source_log_odds - 2 * x.squeeze(1)).abs().mean().item<double>(), 0, 0.4);
}

// Labels that are pure chance: a classifier judged on its own samples would beat one half by far.
TEST(DomainClassifierTest, JudgesOnSamplesThatItHasNotSeen) {
  const at::Tensor x = Normal({60, 50}, 1), y = Normal({60, 50}, 2);
  EXPECT_NEAR(ClassifyDomains(x, y, Seeded(0)).error, 0.5, 0.15);
}

TEST(StandardizationTest, GivesBothDomainsTogetherMeanZeroAndVarianceOne) {
  at::Tensor x = Normal({50, 3}, 1) * 4 + 100, y = Normal({200, 3}, 2) * 2 - 7;
  x.select(1, 2).fill_(3);
  y.select(1, 2).fill_(3);
  const Scale scale = CommonScale(x, y);
  const at::Tensor a = scale.Apply(x), b = scale.Apply(y);
  const at::Tensor mean = (a.mean(0) + b.mean(0)) / 2;
  const at::Tensor square = (a.square().mean(0) + b.square().mean(0)) / 2;
  for (int64_t d = 0; d < 2; ++d) {
    EXPECT_NEAR(mean[d].item<double>(), 0, 1e-12);
    EXPECT_NEAR(square[d].item<double>(), 1, 1e-12);
  }
  EXPECT_EQ(a.select(1, 2).abs().max().item<double>(), 0);
}

TEST(StandardizationTest, AlignsMoments) {
  const at::Tensor x = Normal({50, 3}, 1) * 4 + 100, y = Normal({80, 3}, 2) * 2 - 7;
  const at::Tensor aligned = AlignedMoments(x, y);
  EXPECT_LT((aligned.mean(0) - x.mean(0)).abs().max().item<double>(), 1e-10);
  EXPECT_LT((aligned.std(0, false) - x.std(0, false)).abs().max().item<double>(), 1e-10);
}

TEST(ReducerTest, KeepsWhatIsSmallPoolsMapsAndProjectsTheRest) {
  Reducer reducer(5);
  const at::Tensor vectors = at::randn({4, 30});
  EXPECT_TRUE(reducer.Reduce(0, vectors).equal(vectors));
  const at::Tensor maps = at::randn({4, 16, 3, 3});
  const at::Tensor pooled = reducer.Reduce(1, maps);
  ASSERT_EQ(pooled.sizes(), at::IntArrayRef({4, 32}));
  EXPECT_NEAR(pooled[2][7].item<float>(), maps[2][7].mean().item<float>(), 1e-6);
  EXPECT_NEAR(pooled[2][16 + 7].item<float>(), maps[2][7].std(false).item<float>(), 1e-6);
  const at::Tensor images = at::randn({6, 3, 20, 20});
  const at::Tensor projected = reducer.Reduce(2, images);
  ASSERT_EQ(projected.sizes(), at::IntArrayRef({6, 256}));
  EXPECT_TRUE(Reducer(5).Reduce(2, images).equal(projected));
  const double true_distance = (images[0] - images[1]).norm().item<double>();
  EXPECT_NEAR((projected[0] - projected[1]).norm().item<double>(), true_distance,
              0.25 * true_distance);
}

TEST(PlaceMeasuresTest, EveryMeasureGrowsWithTheShift) {
  const at::Tensor x = Normal({200, 4}, 1).to(at::kFloat), y = Normal({200, 4}, 2).to(at::kFloat);
  const PlaceMeasures near = MeasurePlace(x, y, 99, Seeded(0));
  const PlaceMeasures far = MeasurePlace(x, y * 2 + 1, 99, Seeded(0));
  EXPECT_GT(near.mmd_p_value, 0.01);
  EXPECT_EQ(far.mmd_p_value, 0.01);
  EXPECT_GT(far.js_divergence, 2 * near.js_divergence);
  EXPECT_GT(far.mmd_squared, near.mmd_squared + 0.1);
  EXPECT_GT(far.a_distance, near.a_distance + 0.5);
  EXPECT_GT(far.coral_distance, 5 * near.coral_distance);
}

}  // namespace
}  // namespace acclimate::shift
