#include "core/report/audit.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate::report {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Le;

constexpr double kZ = 1.645;

std::string RefusalOf(const std::vector<AuditLabel>& labels) {
  const absl::Status status = CheckAuditLabels(labels, /*samples=*/10, /*classes=*/3);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(AuditTest, NamesTheLabelAtFault) {
  EXPECT_TRUE(CheckAuditLabels({{0, 2}, {9, 0}}, 10, 3).ok());
  EXPECT_EQ(RefusalOf({{10, 0}}), "index 10 is out of range: the target has 10 samples");
  EXPECT_EQ(RefusalOf({{-1, 0}}), "index -1 is out of range: the target has 10 samples");
  EXPECT_EQ(RefusalOf({{4, 0}, {5, 1}, {4, 0}}), "index 4 is given twice");
  EXPECT_EQ(RefusalOf({{4, 3}}), "label 3 of index 4 is out of range: there are 3 classes");
  EXPECT_EQ(RefusalOf({{4, -1}}), "label -1 of index 4 is out of range: there are 3 classes");
}

std::vector<double> OnesAndZeros(size_t ones, size_t zeros) {
  std::vector<double> y(ones, 1.0);
  y.resize(ones + zeros, 0.0);
  return y;
}

// Of a population without end, in their own notation.
TEST(AuditTest, WithFewLabelsItIsTheIntervalOfAgrestiAndCoull) {
  const AuditInterval interval = MeanInterval(OnesAndZeros(27, 3), std::vector<double>(30, 0.8),
                                              0.8, int64_t{1} << 50, {0, 1, kZ * kZ / 2});
  const double trials = 30 + kZ * kZ, centre = (27 + kZ * kZ / 2) / trials;
  const double half = kZ * std::sqrt(centre * (1 - centre) / trials);
  EXPECT_NEAR(interval.value, centre, 1e-9);
  EXPECT_NEAR(interval.low, centre - half, 1e-9);
  EXPECT_NEAR(interval.high, centre + half, 1e-9);
}

TEST(AuditTest, OfPairsWithFewLabelsItIsTheIntervalOfBonettAndPrice) {
  std::vector<double> y(40, 0.0);
  std::fill_n(y.begin(), 9, 1.0);
  std::fill_n(y.begin() + 9, 2, -1.0);
  const AuditInterval interval = MeanDifference(y, int64_t{1} << 50);
  const double better = 10.0 / 42, worse = 3.0 / 42, gain = better - worse;
  const double half = kZ * std::sqrt((better + worse - gain * gain) / 42);
  EXPECT_NEAR(interval.value, gain, 1e-9);
  EXPECT_NEAR(interval.high - interval.low, 2 * half, 1e-9);
}

// PPI++ as it is written, without pseudo-observations.
TEST(AuditTest, WithManyLabelsThePredictorTakesPart) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform;
  const size_t n = 150, population = 1000;
  std::vector<double> all, f, y;
  for (size_t i = 0; i < population; ++i) all.push_back(uniform(random));
  for (size_t i = 0; i < n; ++i) {
    f.push_back(all[i]);
    y.push_back(uniform(random) < all[i] ? 1 : 0);
  }
  const auto mean = [](const std::vector<double>& v) {
    return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  };
  const double share = static_cast<double>(n) / population;
  double covariance = 0, variance = 0;
  for (size_t i = 0; i < n; ++i) {
    covariance += (y[i] - mean(y)) * (f[i] - mean(f)) / n;
    variance += (f[i] - mean(f)) * (f[i] - mean(f)) / n;
  }
  const double lambda = covariance / (variance * (1 + share));
  ASSERT_THAT(lambda, AllOf(Ge(0.3), Le(1.0)));
  std::vector<double> rest(n);
  for (size_t i = 0; i < n; ++i) rest[i] = y[i] - lambda * f[i];
  double spread = 0;
  for (const double value : rest) spread += (value - mean(rest)) * (value - mean(rest)) / n;
  const AuditInterval interval = MeanInterval(y, f, mean(all), population, {0, 1, 0});
  EXPECT_NEAR(interval.value, lambda * mean(all) + mean(rest), 1e-12);
  EXPECT_NEAR((interval.high - interval.low) / 2, kZ * std::sqrt(spread * (1 - share) / n), 1e-12);
}

TEST(AuditTest, AllLabelsLeaveNothingOpen) {
  const AuditInterval interval =
      MeanInterval(OnesAndZeros(3, 1), {0.1, 0.2, 0.3, 0.4}, 0.25, 4, {0, 1, kZ * kZ / 2});
  EXPECT_EQ(interval.low, 0.75);
  EXPECT_EQ(interval.value, 0.75);
  EXPECT_EQ(interval.high, 0.75);
}

// A target with its truth, and two models of it: sure to the right degree, as after calibration.
struct Population {
  std::vector<int64_t> truth;
  ModelOutputs source, returned;
};

Population MakePopulation(size_t samples, double source_accuracy, double returned_accuracy,
                          uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform;
  Population made;
  for (size_t i = 0; i < samples; ++i) {
    made.truth.push_back(static_cast<int64_t>(random() % 4));
    const double hard = uniform(random);  // for both models alike
    const auto say = [&](double accuracy, ModelOutputs& model) {
      const double sure = std::pow(1 - 0.7 * hard, (1 - accuracy) / accuracy * 2.5);
      const bool right = uniform(random) < sure;
      model.predicted.push_back(right ? made.truth.back() : (made.truth.back() + 1) % 4);
      model.confidence.push_back(static_cast<float>(sure));
    };
    say(source_accuracy, made.source);
    say(returned_accuracy, made.returned);
  }
  return made;
}

double AccuracyOf(const Population& population, const ModelOutputs& model) {
  double right = 0;
  for (size_t i = 0; i < population.truth.size(); ++i) {
    right += population.truth[i] == model.predicted[i] ? 1 : 0;
  }
  return right / static_cast<double>(population.truth.size());
}

// How often the intervals of audits hold the truth, and half their mean width.
struct Coverage {
  double held = 0, half_width = 0;
  void Add(const AuditInterval& interval, double truth, int draws) {
    held += (interval.low - 1e-9 <= truth && truth <= interval.high + 1e-9 ? 1.0 : 0.0) / draws;
    half_width += (interval.high - interval.low) / 2 / draws;
  }
};

struct Coverages {
  Coverage source, returned, gain;
};

Coverages Simulate(const Population& population, size_t labels, int draws) {
  std::vector<int64_t> order(population.truth.size());
  std::iota(order.begin(), order.end(), 0);
  const double before = AccuracyOf(population, population.source),
               after = AccuracyOf(population, population.returned);
  std::mt19937 random(11);
  Coverages coverages;
  for (int draw = 0; draw < draws; ++draw) {
    std::vector<AuditLabel> audited;
    for (size_t i = 0; i < labels; ++i) {
      std::swap(order[i], order[i + random() % (order.size() - i)]);
      audited.push_back({order[i], population.truth[static_cast<size_t>(order[i])]});
    }
    const Audit audit = ComputeAudit(audited, population.source, population.returned);
    coverages.source.Add(*audit.source, before, draws);
    coverages.returned.Add(audit.returned, after, draws);
    coverages.gain.Add(*audit.gain, after - before, draws);
  }
  return coverages;
}

TEST(AuditTest, IntervalsOfAHundredLabelsHoldTheTruth) {
  constexpr int kDraws = 2000;
  const Coverages some = Simulate(MakePopulation(2000, 0.6, 0.9, 1), 100, kDraws);
  for (const Coverage& coverage : {some.source, some.returned, some.gain}) {
    EXPECT_THAT(coverage.held, AllOf(Ge(0.88), Le(0.93)));
  }
  EXPECT_LE(some.returned.half_width, 0.055);
  // Nearly all right: where the plain formula has intervals without width.
  const Coverages most = Simulate(MakePopulation(2000, 0.97, 0.985, 2), 100, kDraws);
  for (const Coverage& coverage : {most.source, most.returned, most.gain}) {
    EXPECT_GE(coverage.held, 0.88);
    EXPECT_LE(coverage.half_width, 0.055);
  }
}

TEST(AuditTest, IntervalsOfFewLabelsHoldTheTruth) {
  const Coverages few = Simulate(MakePopulation(500, 0.6, 0.9, 3), 30, 2000);
  for (const Coverage& coverage : {few.source, few.returned, few.gain}) {
    EXPECT_GE(coverage.held, 0.88);
  }
}

TEST(AuditTest, ThePredictorNarrowsTheInterval) {
  Population population = MakePopulation(5000, 0.6, 0.75, 4);
  const Coverages with = Simulate(population, 200, 300);
  std::fill(population.returned.confidence.begin(), population.returned.confidence.end(), 0.5f);
  const Coverages without = Simulate(population, 200, 300);
  EXPECT_LT(with.returned.half_width, 0.97 * without.returned.half_width);
}

TEST(AuditTest, WhereBothModelsSayTheSameThereIsNoGain) {
  Population population = MakePopulation(200, 0.7, 0.7, 5);
  population.returned = population.source;
  const Audit audit = ComputeAudit({{0, 1}, {7, 2}}, population.source, population.returned);
  EXPECT_EQ(audit.gain->low, 0);
  EXPECT_EQ(audit.gain->high, 0);
}

TEST(AuditTest, ConfidencesThatAreNoNumbersCountAsNone) {
  Population population = MakePopulation(200, 0.7, 0.9, 6);
  population.returned.confidence[3] = std::nanf("");
  const Audit audit =
      ComputeAudit({{3, population.truth[3]}}, population.source, population.returned);
  EXPECT_TRUE(std::isfinite(audit.returned.low) && std::isfinite(audit.gain->high));
}

TEST(AuditTest, ReportAndMetricsHaveTheSame) {
  const Population population = MakePopulation(200, 0.7, 0.9, 7);
  const Audit audit = ComputeAudit({{0, population.truth[0]}, {1, population.truth[1]}},
                                   population.source, population.returned);
  nlohmann::json report = {{"metrics", {{"loss", 1.0}}}};
  AddAudit(audit, report);
  EXPECT_EQ(report["audit"]["labels"], 2);
  EXPECT_EQ(report["audit"]["population"], 200);
  EXPECT_EQ(report["metrics"]["loss"], 1.0);
  EXPECT_EQ(report["metrics"]["audited_accuracy"], report["audit"]["returned"]["value"]);
  EXPECT_EQ(report["metrics"]["audited_source_accuracy_low"], report["audit"]["source"]["low"]);
  EXPECT_EQ(report["metrics"]["audited_gain_high"], report["audit"]["gain"]["high"]);
  // Of a model that came from nothing there is no gain.
  const Audit alone = ComputeAudit({{0, 0}}, std::nullopt, population.returned);
  EXPECT_EQ(AuditMetrics(alone).count("audited_gain"), 0u);
}

}  // namespace
}  // namespace acclimate::report
