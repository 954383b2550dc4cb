// Calibration, the record that travels with a checkpoint, and the estimated accuracy.
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <algorithm>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/selection/accuracy_estimate.h"
#include "core/selection/estimators/evidence.h"
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

// Samples that the checkpoint was trained on say that it is always right; its record knows better.
TEST(Evidence, ARecordIsWorthMoreThanWhatTheCheckpointRemembers) {
  const SourceRecord record = Measure(Calibrated(1000, 5));
  Predictions seen = Calibrated(1000, 6);
  seen.logits = 8 * at::one_hot(seen.labels, 4).to(at::kFloat) + 0.1 * Normal({1000, 4}, 7);
  const at::Tensor target = Calibrated(500, 8).logits;
  const SourceRecord home = EvidenceOf(target, seen, record).home;
  EXPECT_EQ(home.accuracy, record.accuracy);
  EXPECT_EQ(home.temperature, record.temperature);
  EXPECT_EQ(home.confidence, record.confidence);
  EXPECT_EQ(home.threshold, record.threshold);
  // One that does worse than was recorded is taken as it is.
  const Predictions worse = Calibrated(1000, 9);
  EXPECT_EQ(EvidenceOf(target, worse, Measure(seen)).home.temperature, Measure(worse).temperature);
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
  EXPECT_LT(estimate.high - estimate.low, 0.35);
}

}  // namespace
}  // namespace acclimate::selection
