#include "core/selection/gain_estimate.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

namespace acclimate::selection {
namespace {

constexpr int64_t kPairClasses = 5;

// Two models over one domain: the classes' signal, each with noise of its own on top of a shared
// one.
struct Pair {
  Predictions source, adapted;
};

Pair DrawnPair(int64_t samples, double source_signal, double adapted_signal, uint64_t seed) {
  at::Generator random = at::detail::createCPUGenerator(seed);
  const at::Tensor labels = at::randint(kPairClasses, {samples}, random, at::kLong);
  const at::Tensor hot = at::one_hot(labels, kPairClasses).to(at::kFloat);
  const auto noise = [&] { return at::empty({samples, kPairClasses}).normal_(0, 1, random); };
  const at::Tensor shared = noise();
  const auto logits = [&](double signal) { return signal * hot + shared + 0.3 * noise(); };
  return {{at::zeros({samples, 1}), logits(source_signal), labels},
          {at::zeros({samples, 1}), logits(adapted_signal), labels}};
}

double ShareRight(const Predictions& predictions) {
  return predictions.logits.argmax(1).eq(predictions.labels).to(at::kDouble).mean().item<double>();
}

TEST(EstimateGain, IsNoneBetweenAModelAndItself) {
  const Pair home = DrawnPair(500, 3, 3, 1), target = DrawnPair(800, 2, 2, 2);
  const GainEstimate gain =
      EstimateGain(target.source.logits, home.source, target.source.logits, home.source);
  EXPECT_NEAR(gain.value, 0, 1e-9);
  EXPECT_NEAR(gain.standard_error, 0, 1e-9);
}

TEST(EstimateGain, HasTheSignOfWhatWasGained) {
  const Pair home = DrawnPair(1000, 3, 3, 3), target = DrawnPair(1500, 1, 3, 4);
  const double truth = ShareRight(target.adapted) - ShareRight(target.source);
  const GainEstimate gain =
      EstimateGain(target.source.logits, home.source, target.adapted.logits, home.adapted);
  EXPECT_GT(truth, 0.3);
  EXPECT_GT(gain.value, 0.15);
  const GainEstimate back =
      EstimateGain(target.adapted.logits, home.adapted, target.source.logits, home.source);
  EXPECT_NEAR(back.value, -gain.value, 1e-9);
  EXPECT_NEAR(back.standard_error, gain.standard_error, 1e-9);
}

// The error is that of other samples from the same domains.
TEST(EstimateGain, ErrsAsMuchAsItSays) {
  std::vector<double> values;
  double said = 0;
  constexpr int kDraws = 60;
  for (int draw = 0; draw < kDraws; ++draw) {
    const Pair home = DrawnPair(300, 3, 3, 100 + 2 * draw),
               target = DrawnPair(400, 2, 2.5, 101 + 2 * draw);
    const GainEstimate gain =
        EstimateGain(target.source.logits, home.source, target.adapted.logits, home.adapted);
    values.push_back(gain.value);
    said += gain.standard_error / kDraws;
  }
  const double deviation = at::tensor(values, at::kDouble).std().item<double>();
  EXPECT_GT(said, deviation * 0.6);
  EXPECT_LT(said, deviation * 1.6);
}

}  // namespace
}  // namespace acclimate::selection
