#include "core/shift/calibration.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace acclimate::shift {
namespace {

struct Sample {
  at::Tensor logits, labels;
};

// Labels drawn from softmax(logits): calibrated by construction.
Sample Calibrated(int64_t samples, int64_t classes) {
  const at::Tensor logits = at::randn({samples, classes}, at::kDouble) * 2;
  return {logits, logits.softmax(1).multinomial(1).view({-1})};
}

double BruteForceLikelihood(const Sample& sample, double inverse, const at::Tensor& bias) {
  double sum = 0;
  for (int64_t i = 0; i < sample.logits.size(0); ++i) {
    const at::Tensor row = sample.logits[i] * inverse + bias;
    double normalizer = 0;
    for (int64_t c = 0; c < row.size(0); ++c) normalizer += std::exp(row[c].item<double>());
    sum -= row[sample.labels[i].item<int64_t>()].item<double>() - std::log(normalizer);
  }
  return sum / static_cast<double>(sample.logits.size(0));
}

TEST(CalibrationTest, FindsTheTemperature) {
  at::manual_seed(1);
  Sample sample = Calibrated(20000, 5);
  EXPECT_NEAR(FitTemperature(sample.logits, sample.labels).temperature, 1.0, 0.05);
  sample.logits = sample.logits * 3;
  EXPECT_NEAR(FitTemperature(sample.logits, sample.labels).temperature, 3.0, 0.15);
  sample.logits = sample.logits / 12;
  EXPECT_NEAR(FitTemperature(sample.logits, sample.labels).temperature, 0.25, 0.0125);
}

TEST(CalibrationTest, FindsTheBias) {
  at::manual_seed(2);
  Sample sample = Calibrated(20000, 4);
  const at::Tensor bias = at::tensor({0.5, -1.0, 0.75, -0.25}, at::kDouble);
  sample.logits = (sample.logits - bias) * 2;
  const Calibration calibration = FitBiasCorrectedTemperature(sample.logits, sample.labels);
  EXPECT_NEAR(calibration.temperature, 2.0, 0.1);
  EXPECT_LT((calibration.bias - bias).abs().max().item<double>(), 0.1);
  EXPECT_NEAR(calibration.bias.mean().item<double>(), 0.0, 1e-12);
}

// No step in any direction goes down.
TEST(CalibrationTest, IsTheMinimum) {
  at::manual_seed(3);
  Sample sample = Calibrated(60, 3);
  sample.logits = sample.logits * 1.7;
  const Calibration calibration = FitBiasCorrectedTemperature(sample.logits, sample.labels);
  const double inverse = 1 / calibration.temperature;
  const double minimum = BruteForceLikelihood(sample, inverse, calibration.bias);
  EXPECT_NEAR(NegativeLogLikelihood(CalibratedLogits(sample.logits, calibration), sample.labels),
              minimum, 1e-12);
  for (int trial = 0; trial < 20; ++trial) {
    const at::Tensor step = at::randn({4}, at::kDouble) * 1e-2;
    EXPECT_GT(BruteForceLikelihood(sample, inverse + step[0].item<double>(),
                                   calibration.bias + step.slice(0, 1)),
              minimum - 1e-9);
  }
  const Calibration scaled = FitTemperature(sample.logits, sample.labels);
  const at::Tensor zero = at::zeros({3}, at::kDouble);
  for (const double factor : {0.99, 1.01}) {
    EXPECT_GT(BruteForceLikelihood(sample, factor / scaled.temperature, zero),
              BruteForceLikelihood(sample, 1 / scaled.temperature, zero));
  }
}

TEST(CalibrationTest, SeparableAndHopelessDataGiveFiniteTemperatures) {
  const at::Tensor labels = at::arange(30).remainder(3);
  const at::Tensor right = at::one_hot(labels, 3).to(at::kDouble);
  for (const at::Tensor& logits : {right, -right}) {
    const Calibration calibration = FitBiasCorrectedTemperature(logits, labels);
    EXPECT_TRUE(std::isfinite(calibration.temperature));
    EXPECT_GT(calibration.temperature, 0);
    EXPECT_TRUE(calibration.bias.isfinite().all().item<bool>());
    const double scaled = FitTemperature(logits, labels).temperature;
    EXPECT_TRUE(std::isfinite(scaled) && scaled > 0);
  }
}

TEST(CalibrationTest, ExpectedCalibrationErrorEqualsItsDefinition) {
  at::manual_seed(4);
  const at::Tensor p = (at::randn({200, 4}, at::kDouble) * 2).softmax(1);
  const at::Tensor labels = at::randint(4, {200}, at::kLong);
  double expected = 0;
  for (int bin = 0; bin < 10; ++bin) {
    double confidence = 0, right = 0;
    for (int64_t i = 0; i < 200; ++i) {
      const double top = p[i].max().item<double>();
      if (top <= bin / 10.0 || top > (bin + 1) / 10.0) continue;
      confidence += top;
      right += p[i].argmax().item<int64_t>() == labels[i].item<int64_t>();
    }
    expected += std::abs(right - confidence) / 200;
  }
  EXPECT_GT(expected, 0.05);
  EXPECT_NEAR(ExpectedCalibrationError(p, labels, 10), expected, 1e-12);
}

}  // namespace
}  // namespace acclimate::shift
