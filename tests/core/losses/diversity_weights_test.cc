#include "core/losses/diversity_weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

void ScaleToOne(std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double from = *low, range = *high - *low;
  for (double& value : values) value = (value - from) / range;
}

TEST(DiversityWeightsTest, EqualTheirDefinition) {
  at::manual_seed(3);
  const at::Tensor logits = Normal({20, 5}) * 2, p = logits.softmax(1);
  const at::Tensor mean = Normal({5}).softmax(0);
  std::vector<double> diversity, certainty;
  for (int64_t i = 0; i < 20; ++i) {
    double dot = 0, length = 0, mean_length = 0, entropy = 0;
    for (int64_t c = 0; c < 5; ++c) {
      const double a = p[i][c].item<double>(), b = mean[c].item<double>();
      dot += a * b;
      length += a * a;
      mean_length += b * b;
      entropy -= a * std::log(a);
    }
    diversity.push_back(1 - dot / std::sqrt(length * mean_length));
    certainty.push_back(-entropy);
  }
  ScaleToOne(diversity);
  ScaleToOne(certainty);
  const double middle = std::accumulate(diversity.begin(), diversity.end(), 0.0) / 20;
  const at::Tensor actual = DiversityWeights(logits, mean, 0.25);
  int64_t dropped = 0;
  for (size_t i = 0; i < 20; ++i) {
    const double expected =
        diversity[i] < middle ? 0 : std::exp(diversity[i] * certainty[i] / 0.25);
    EXPECT_NEAR(actual[static_cast<int64_t>(i)].item<double>(), expected, 1e-9);
    dropped += diversity[i] < middle;
  }
  EXPECT_GT(dropped, 3);
  EXPECT_LT(dropped, 17);
}

TEST(DiversityWeightsTest, AreConstantsToTheGradient) {
  const at::Tensor logits = Normal({6, 3}).requires_grad_();
  EXPECT_FALSE(DiversityWeights(logits, at::full({3}, 1.0 / 3, at::kDouble), 0.3).requires_grad());
}

TEST(DiversityWeightsTest, SamplesThatAreAllAlikeAllCount) {
  const at::Tensor logits = at::ones({4, 3}, at::kDouble);
  EXPECT_TRUE(DiversityWeights(logits, at::full({3}, 1.0 / 3, at::kDouble), 0.3)
                  .equal(at::ones({4}, at::kDouble)));
}

}  // namespace
}  // namespace acclimate::losses
