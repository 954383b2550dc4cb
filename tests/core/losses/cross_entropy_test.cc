#include "core/losses/cross_entropy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

TEST(CrossEntropyTest, EqualsItsDefinition) {
  at::Tensor logits = Normal({5, 4}), labels = at::tensor({0, 3, 1, 1, 2}, at::kLong);
  at::Tensor log_p = logits.softmax(1).log();
  for (double a : {0.0, 0.1, 1.0}) {
    double expected = 0;
    for (int64_t i = 0; i < 5; ++i) {
      for (int64_t c = 0; c < 4; ++c) {
        double q = a / 4 + (labels[i].item<int64_t>() == c ? 1 - a : 0);
        expected -= q * log_p[i][c].item<double>() / 5;
      }
    }
    EXPECT_NEAR(CrossEntropy(logits, labels, a).item<double>(), expected, 1e-12);
  }
}

TEST(CrossEntropyTest, GradientIsRight) {
  at::Tensor labels = at::tensor({0, 2, 1}, at::kLong);
  ExpectGradient([&](const at::Tensor& probe) { return CrossEntropy(probe, labels, 0.1); },
                 Normal({3, 3}));
}

TEST(CrossEntropyTest, RefusesLabelsOutsideTheClasses) {
  at::Tensor logits = at::randn({1, 4});
  EXPECT_THROW(CrossEntropy(logits, at::tensor({4}, at::kLong)), c10::Error);
  EXPECT_THROW(CrossEntropy(logits, at::tensor({-1}, at::kLong)), c10::Error);
  EXPECT_THROW(CrossEntropy(logits, at::tensor({-5}, at::kLong)), c10::Error);
  EXPECT_THROW(CrossEntropy(logits, at::tensor({-100}, at::kLong)), c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
