// Calibration, the record that travels with a checkpoint, and the estimated accuracy.
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <algorithm>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/selection/accuracy_estimate.h"
#include "core/selection/source_record.h"
#include "tests/core/normal_samples.h"

namespace acclimate::selection {
namespace {

using ::acclimate::testing::Normal;

// Labels drawn from softmax(logits): calibrated by construction.
Predictions Calibrated(int64_t samples, uint64_t seed) {
  const at::Tensor logits = 2 * Normal({samples, 4}, seed);
  const at::Tensor labels =
      logits.softmax(1).multinomial(1, false, at::detail::createCPUGenerator(seed + 1)).squeeze(1);
  return {at::zeros({samples, 2}), logits, labels};
}

TEST(FitTemperature, UndoesAnOverconfidentScale) {
  const Predictions sample = Calibrated(20000, 1);
  EXPECT_NEAR(FitTemperature(sample.logits, sample.labels), 1.0, 0.04);
  EXPECT_NEAR(FitTemperature(3 * sample.logits, sample.labels), 3.0, 0.12);
}

TEST(Measure, ThresholdSplitsAtTheAccuracy) {
  const Predictions sample = Calibrated(500, 3);
  const SourceRecord record = Measure(sample);
  double right = 0, above = 0, confidence = 0;
  for (int64_t i = 0; i < 500; ++i) {
    const at::Tensor p = (sample.logits[i] / record.temperature).softmax(0);
    double negative_entropy = 0;
    for (int64_t c = 0; c < 4; ++c) {
      negative_entropy += p[c].item<double>() * std::log(p[c].item<double>());
    }
    right += p.argmax().item<int64_t>() == sample.labels[i].item<int64_t>();
    above += negative_entropy >= record.threshold - 1e-12;
    confidence += p.max().item<double>() / 500;
  }
  EXPECT_NEAR(record.accuracy, right / 500, 1e-12);
  EXPECT_NEAR(above, right, 0.5);
  EXPECT_NEAR(record.confidence, confidence, 1e-9);
  EXPECT_EQ(record.samples, 500);
}

TEST(SourceRecord, TravelsInMetadata) {
  std::map<std::string, std::string> metadata = {{"other", "stays"}};
  EXPECT_FALSE(ReadRecord(metadata));
  WriteRecord({0.91, 1.5, 0.9, -0.4, 321}, metadata);
  const auto record = ReadRecord(metadata);
  ASSERT_TRUE(record);
  EXPECT_DOUBLE_EQ(record->accuracy, 0.91);
  EXPECT_DOUBLE_EQ(record->threshold, -0.4);
  EXPECT_EQ(record->samples, 321);
  metadata["acclimate.temperature"] = "warm";
  EXPECT_FALSE(ReadRecord(metadata));
  EraseRecord(metadata);
  EXPECT_EQ(metadata.size(), 1u);
}

TEST(HeldOut, NeverTrainsOnWhatItMeasures) {
  at::manual_seed(1);
  const at::Tensor inputs = at::arange(2000, at::kFloat).unsqueeze(1);
  const data::Dataset dataset =
      data::Dataset::FromTensors(inputs, at::arange(2000, at::kLong).remainder(2), "x").value();
  const HeldOut held_out(dataset, 0.05);
  at::Tensor seen = at::zeros({2000}, at::kBool);
  for (int64_t begin = 0; begin < 2000; begin += 50) {
    const at::Tensor index = at::arange(begin, begin + 50, at::kLong);
    const data::Batch batch = held_out.Trained(dataset.Gather(index, at::kCPU), index);
    EXPECT_EQ(batch.inputs.size(0), batch.labels.size(0));
    seen.index_fill_(0, batch.inputs.squeeze(1).to(at::kLong), true);
  }
  EXPECT_EQ(seen.sum().item<int64_t>(), 1900);
  // Under 50 samples nothing is held out.
  const at::Tensor index = at::arange(2000, at::kLong);
  EXPECT_EQ(HeldOut(dataset, 0.02).Trained(dataset.Gather(index, at::kCPU), index).inputs.size(0),
            2000);
}

TEST(Estimate, IsWideWhereNothingOfHomeIsKnown) {
  const at::Tensor sure = 30 * Normal({600, 10}, 1);
  const AccuracyEstimate estimate = Estimate({sure, absl::nullopt, absl::nullopt});
  EXPECT_GT(estimate.by_estimator.at("confidence"), 0.95);
  EXPECT_EQ(estimate.by_estimator.count("cot"), 0u);
  EXPECT_LT(estimate.low, 0.5);
  EXPECT_GT(estimate.high - estimate.low, 0.4);
}

TEST(Estimate, IsNearAndNarrowWhereNothingMoved) {
  const auto drawn = [](uint64_t seed) {
    const at::Tensor labels = at::arange(1000, at::kLong).remainder(5);
    const at::Tensor logits = 2.5 * at::one_hot(labels, 5).to(at::kFloat) + Normal({1000, 5}, seed);
    return Predictions{at::Tensor(), logits, labels};
  };
  const Predictions home = drawn(2), target = drawn(3);
  const double truth =
      target.logits.argmax(1).eq(target.labels).to(at::kDouble).mean().item<double>();
  const AccuracyEstimate estimate = Estimate({target.logits, home, absl::nullopt});
  EXPECT_LE(estimate.low, truth);
  EXPECT_GE(estimate.high, truth);
  EXPECT_LT(estimate.high - estimate.low, 0.25);
}

TEST(EstimateAccuracy, IsTheMedianOfItsEstimators) {
  const at::Tensor logits = Normal({50, 3}, 5);
  const at::Tensor neighbours = at::arange(50, at::kLong).remainder(3);
  const SourceRecord record = {0.9, 2.0, 0.8, -0.9, 100};
  double confidence = 0, agreement = 0, atc = 0;
  for (int64_t i = 0; i < 50; ++i) {
    const at::Tensor p = (logits[i] / 2).softmax(0);
    confidence += p.max().item<double>() / 50;
    agreement += (p.argmax().item<int64_t>() == i % 3) / 50.0;
    atc += (p * p.log()).sum().item<double>() >= -0.9 ? 1 / 50.0 : 0;
  }
  const AccuracyEstimate estimate = EstimateAccuracy(logits, neighbours, record);
  EXPECT_NEAR(estimate.by_estimator.at("confidence"), confidence, 1e-9);
  EXPECT_NEAR(estimate.by_estimator.at("doc"), confidence + 0.1, 1e-9);
  EXPECT_NEAR(estimate.by_estimator.at("agreement"), agreement, 1e-9);
  EXPECT_NEAR(estimate.by_estimator.at("atc"), atc, 1e-9);
  std::vector<double> all = {confidence, confidence + 0.1, agreement, atc};
  std::sort(all.begin(), all.end());
  EXPECT_NEAR(estimate.value, (all[1] + all[2]) / 2, 1e-9);
  EXPECT_LE(estimate.low, estimate.value);
  EXPECT_GE(estimate.high, estimate.value);
  EXPECT_GT(estimate.high - estimate.low, 0.05);  // the estimators disagree
  EXPECT_EQ(EstimateAccuracy(logits, neighbours, {}).by_estimator.size(), 2u);
}

// A model calibrated on the source, on a target that is harder in the way that confidence shows.
TEST(EstimateAccuracy, FollowsADropThatConfidenceShows) {
  const SourceRecord record = Measure(Calibrated(4000, 7));
  at::Tensor logits = 0.8 * Normal({4000, 4}, 9);
  const at::Tensor labels =
      logits.softmax(1).multinomial(1, false, at::detail::createCPUGenerator(10)).squeeze(1);
  const double accuracy = logits.argmax(1).eq(labels).to(at::kDouble).mean().item<double>();
  const AccuracyEstimate estimate = EstimateAccuracy(logits, labels, record);
  EXPECT_LT(accuracy, record.accuracy - 0.1);
  EXPECT_NEAR(estimate.value, accuracy, 0.05);
}

TEST(CappedByOwnDomain, AnAdaptedModelIsNoBetterThanTheSourceModelAtHome) {
  const SourceRecord record = {0.8, 1.0, 0.8, -0.9, 100};
  AccuracyEstimate sure;
  sure.value = 0.97;
  sure.low = 0.95;
  sure.high = 0.99;
  const AccuracyEstimate capped = CappedByOwnDomain(sure, record);
  EXPECT_EQ(capped.value, 0.8);
  EXPECT_NEAR(capped.low, 0.8 - 1.645 * 0.04, 1e-9);
  EXPECT_NEAR(capped.high, 0.8 + 1.645 * 0.04, 1e-9);
  AccuracyEstimate lower;
  lower.value = 0.6;
  lower.low = 0.5;
  lower.high = 0.7;
  EXPECT_EQ(CappedByOwnDomain(lower, record).value, 0.6);
  EXPECT_EQ(CappedByOwnDomain(lower, record).high, 0.7);
}

TEST(CappedByPeers, IsTheirMeanAgreementWhereThatIsLower) {
  const at::Tensor predicted = at::arange(100, at::kLong).remainder(4);
  const auto agreeing = [&](int64_t samples) {
    at::Tensor classes = predicted.clone();
    classes.slice(0, samples).add_(1);
    return classes;
  };
  const at::Tensor peers = at::stack({agreeing(60), agreeing(80)});
  AccuracyEstimate sure;
  sure.value = 0.97;
  sure.low = 0.95;
  sure.high = 0.99;
  const AccuracyEstimate capped = CappedByPeers(sure, predicted, peers);
  const double margin = 1.645 * std::sqrt(0.7 * 0.3 / 100);
  EXPECT_NEAR(capped.value, 0.7, 1e-12);
  EXPECT_NEAR(capped.low, 0.6 - margin, 1e-9);
  EXPECT_NEAR(capped.high, 0.8 + margin, 1e-9);
  EXPECT_NEAR(capped.by_estimator.at("peers"), 0.7, 1e-12);
  AccuracyEstimate lower;
  lower.value = 0.6;
  lower.low = 0.5;
  lower.high = 0.65;
  EXPECT_EQ(CappedByPeers(lower, predicted, peers).value, 0.6);
  EXPECT_EQ(CappedByPeers(lower, predicted, peers).high, 0.65);
}

// Of two models that err independently: low, since where they differ the better one errs more
// often.
TEST(EstimateByAgreement, IsALittleLowWhereErrorsAreIndependent) {
  constexpr int64_t kSamples = 20000, kClasses = 5;
  const at::Generator generator = at::detail::createCPUGenerator(3);
  const at::Tensor truth = at::randint(kClasses, {kSamples}, generator, at::kLong);
  const auto right = [&](double share) {
    const at::Tensor other = truth + at::randint(1, kClasses, {kSamples}, generator, at::kLong);
    return at::where(at::rand({kSamples}, generator).lt(share), truth, other.remainder(kClasses));
  };
  const at::Tensor worse = right(0.6), better = right(0.9);
  AccuracyEstimate of_better;
  of_better.value = 0.9;
  of_better.low = 0.85;
  of_better.high = 0.95;
  const AccuracyEstimate estimate = EstimateByAgreement(worse, better, of_better, kClasses);
  EXPECT_NEAR(estimate.value, 0.53, 0.03);
  EXPECT_LT(estimate.low, 0.55);
  EXPECT_GT(estimate.high, estimate.value);
  const double agreed = worse.eq(better).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(estimate.value, agreed * 0.9 + (1 - agreed) * 0.1 / 4, 1e-12);
  EXPECT_EQ(EstimateByAgreement(better, better, of_better, kClasses).value, 0.9);
}

TEST(NearestNeighbours, VoteByCosine) {
  const at::Tensor bank = at::tensor({1.f, 0.f, 1.f, 0.1f, 0.f, 1.f, 5.f, 4.9f}).view({4, 2});
  const at::Tensor labels = at::tensor({0, 0, 1, 2}, at::kLong);
  const at::Tensor queries = at::tensor({9.f, 0.1f, 0.1f, 9.f, 1.f, 1.f}).view({3, 2});
  EXPECT_TRUE(
      NearestNeighbours(bank, labels, queries, 3, 1).equal(at::tensor({0, 1, 2}, at::kLong)));
  EXPECT_TRUE(
      NearestNeighboursOfOthers(bank, labels, 3, 1).equal(at::tensor({0, 0, 2, 0}, at::kLong)));
}

}  // namespace
}  // namespace acclimate::selection
