#include "core/losses/margin_disparity.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double Probability(const at::Tensor& logits, int64_t label) {
  double sum = 0;
  for (int64_t c = 0; c < logits.size(0); ++c) sum += std::exp(logits[c].item<double>());
  return std::exp(logits[label].item<double>()) / sum;
}

int64_t Largest(const at::Tensor& logits) {
  int64_t best = 0;
  for (int64_t c = 1; c < logits.size(0); ++c) {
    if (logits[c].item<double>() > logits[best].item<double>()) best = c;
  }
  return best;
}

double BruteForceMarginDisparity(const MarginDisparityLogits& source,
                                 const MarginDisparityLogits& target, double margin) {
  const int64_t n = source.classifier.size(0), m = target.classifier.size(0);
  double loss = 0;
  for (int64_t i = 0; i < n; ++i) {
    loss -= margin * std::log(Probability(source.adversary[i], Largest(source.classifier[i]))) / n;
  }
  for (int64_t j = 0; j < m; ++j) {
    loss -= std::log(1 - Probability(target.adversary[j], Largest(target.classifier[j]))) / m;
  }
  return loss;
}

TEST(MarginDisparityTest, EqualsItsDefinition) {
  at::manual_seed(10);
  const MarginDisparityLogits source{Normal({6, 4}), Normal({6, 4}) * 2};
  const MarginDisparityLogits target{Normal({9, 4}), Normal({9, 4}) * 2};
  for (const double margin : {1.0, 4.0}) {
    EXPECT_NEAR(MarginDisparity(source, target, margin).item<double>(),
                BruteForceMarginDisparity(source, target, margin), 1e-12);
  }
}

TEST(MarginDisparityTest, GradientOfTheAdversaryIsRight) {
  at::manual_seed(11);
  const MarginDisparityLogits source{Normal({4, 3}), Normal({4, 3})};
  const MarginDisparityLogits target{Normal({5, 3}), Normal({5, 3})};
  ExpectGradient(
      [&](const at::Tensor& probe) {
        return MarginDisparity({source.classifier, probe}, target, 4.0);
      },
      source.adversary);
  ExpectGradient(
      [&](const at::Tensor& probe) {
        return MarginDisparity(source, {target.classifier, probe}, 4.0);
      },
      target.adversary);
}

TEST(MarginDisparityTest, StaysFiniteWhenTheAdversaryIsCertain) {
  // -log(1 - p) with p rounded to 1 would be infinite.
  at::Tensor certain = at::zeros({2, 3});
  certain.select(1, 0).fill_(200);
  certain.requires_grad_();
  const at::Tensor classes = at::eye(3).slice(0, 0, 1).expand({2, 3});
  const at::Tensor loss = MarginDisparity({classes, certain}, {classes, certain}, 4.0);
  loss.backward();
  EXPECT_NEAR(loss.item<float>(), 200 - std::log(2), 1e-3);
  EXPECT_TRUE(certain.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace acclimate::losses
