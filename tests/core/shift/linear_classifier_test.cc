#include "core/shift/linear_classifier.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/shift/logistic_regression.h"
#include "tests/core/normal_samples.h"

namespace acclimate::shift {
namespace {

using ::acclimate::testing::Normal;

at::Tensor Standardized(const at::Tensor& samples) {
  const auto [deviation, mean] = at::std_mean(samples, at::IntArrayRef{0}, false, false);
  return (samples - mean) / deviation;
}

TEST(LinearClassifierTest, OfTwoClassesIsLogisticRegression) {
  // The other one is fitted by Newton's method. Weights of two classes are opposites at the
  // minimum, so l2 (|w/2|^2 + |w/2|^2) is its (l2 / 2) |w|^2.
  constexpr double kL2 = 0.05;
  const at::Tensor samples = Normal({60, 4}, 1) * 30 + 7;
  const at::Tensor labels = (samples.select(1, 0) + Normal({60, 1}, 2).squeeze(1) * 20).gt(7);
  const LinearClassifier fit = FitLinearClassifier(samples, labels.to(at::kLong), 2, kL2);
  const at::Tensor logits = fit.Logits(samples);
  const at::Tensor x = Standardized(samples);
  const LogisticRegression other = FitLogisticRegression(
      x, labels.to(at::kDouble), at::ones({60}, at::TensorOptions(at::kDouble)), kL2);
  EXPECT_TRUE((logits.select(1, 1) - logits.select(1, 0)).allclose(other.LogOdds(x), 1e-4, 1e-4));
}

TEST(LinearClassifierTest, OfSeveralClassesIsAtItsMinimum) {
  constexpr double kL2 = 0.01;
  const at::Tensor samples = Normal({50, 3}, 3);
  const at::Tensor labels = at::arange(50, at::kLong).remainder(4);
  const LinearClassifier fit = FitLinearClassifier(samples, labels, 5, kL2);
  ASSERT_EQ(fit.Logits(samples).sizes(), (std::vector<int64_t>{50, 5}));
  const at::Tensor error =
      (fit.Logits(samples).softmax(1) - at::one_hot(labels, 5).to(at::kDouble)) / 50;
  const at::Tensor gradient = Standardized(samples).t().mm(error) + 2 * kL2 * fit.weight;
  EXPECT_LT(gradient.abs().max().item<double>(), 1e-5);
}

// d/dw (C sum_i CE_i + |w|^2 / 2) = C sum_i (p_i - onehot_i) x_i' + w: 0 at the minimum, and the
// bias, which is not penalised, has sum_i (p_i - onehot_i) = 0. Of two classes w is the difference
// of both weights.
void ExpectScikitLearnsMinimum(const at::Tensor& samples, const at::Tensor& labels,
                               const std::vector<int64_t>& present) {
  constexpr int64_t kAll = 5;
  const double n = static_cast<double>(samples.size(0));
  for (const double c : {0.01, 1.0, 10.0}) {
    const LinearClassifier fit = FitLogisticClassifier(samples, labels, kAll, c);
    const at::Tensor probabilities = fit.Logits(samples).softmax(1);
    at::Tensor error = probabilities - at::one_hot(labels, kAll).to(at::kDouble);
    at::Tensor weight = fit.weight;
    if (present.size() == 2) {
      weight = (weight.select(1, present[1]) - weight.select(1, present[0])).unsqueeze(1);
      error = error.select(1, present[1]).unsqueeze(1);
    }
    const double most = 2.002e-4 * n * c;  // of the mean cross-entropy: 1e-4 a weight
    EXPECT_LT((c * samples.t().mm(error) + weight).abs().max().item<double>(), most) << c;
    EXPECT_LT((c * error.sum(0)).abs().max().item<double>(), most) << c;
    for (int64_t k = 0; k < kAll; ++k) {
      if (std::count(present.begin(), present.end(), k) > 0) continue;
      EXPECT_EQ(probabilities.select(1, k).max().item<double>(), 0);
    }
  }
}

TEST(LinearClassifierTest, LogisticIsAtTheMinimumOfScikitLearnsObjective) {
  const at::Tensor samples = Normal({80, 5}, 5) * 2 + 1;
  const at::Tensor score = samples.select(1, 0) + Normal({80, 1}, 6).squeeze(1);
  const at::Tensor two = score.gt(1).to(at::kLong) * 2;
  ExpectScikitLearnsMinimum(samples, two, {0, 2});
  ExpectScikitLearnsMinimum(samples, two + score.gt(3).to(at::kLong), {0, 2, 3});
}

TEST(LinearClassifierTest, StaysFiniteWithACoordinateThatDoesNotVary) {
  at::Tensor samples = Normal({30, 3}, 4);
  samples.select(1, 1).fill_(5);
  const LinearClassifier fit =
      FitLinearClassifier(samples, at::arange(30, at::kLong).remainder(3), 3, 0.01);
  EXPECT_TRUE(fit.Logits(samples).isfinite().all().item<bool>());
}

}  // namespace
}  // namespace acclimate::shift
