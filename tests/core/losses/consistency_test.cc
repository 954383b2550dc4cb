#include "core/losses/consistency.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

TEST(ConsistencyTest, EqualsItsDefinition) {
  const at::Tensor logits = Normal({5, 3}) * 2, teacher = Normal({5, 3}) * 2;
  const at::Tensor p = logits.softmax(1), t = teacher.softmax(1);
  double expected = 0;
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t c = 0; c < 3; ++c) {
      expected -= t[i][c].item<double>() * std::log(p[i][c].item<double>()) / 5;
    }
  }
  EXPECT_NEAR(ConsistencyCrossEntropy(logits, teacher).item<double>(), expected, 1e-12);
}

TEST(ConsistencyTest, GradientIsRight) {
  const at::Tensor teacher = Normal({4, 3});
  ExpectGradient([&](const at::Tensor& probe) { return ConsistencyCrossEntropy(probe, teacher); },
                 Normal({4, 3}));
}

TEST(ConsistencyTest, TheTeacherLearnsNothing) {
  at::Tensor logits = Normal({4, 3}).requires_grad_(), teacher = Normal({4, 3}).requires_grad_();
  ConsistencyCrossEntropy(logits, teacher).backward();
  EXPECT_FALSE(teacher.grad().defined());
}

TEST(ConfidentTest, EqualsItsDefinition) {
  const at::Tensor logits = Normal({5, 3}) * 2, teacher = Normal({5, 3}) * 2;
  const at::Tensor p = logits.softmax(1), t = teacher.softmax(1);
  double expected = 0;
  for (int64_t i = 0; i < 5; ++i) {
    int64_t first = 0;
    for (int64_t c = 1; c < 3; ++c) {
      if (t[i][c].item<double>() > t[i][first].item<double>()) first = c;
    }
    expected -= t[i][first].item<double>() * std::log(p[i][first].item<double>()) / 5;
  }
  EXPECT_NEAR(ConfidentCrossEntropy(logits, teacher).item<double>(), expected, 1e-12);
}

TEST(ConfidentTest, GradientIsRightAndTheTeacherLearnsNothing) {
  at::Tensor teacher = Normal({4, 3}).requires_grad_();
  ExpectGradient([&](const at::Tensor& probe) { return ConfidentCrossEntropy(probe, teacher); },
                 Normal({4, 3}));
  at::Tensor logits = Normal({4, 3}).requires_grad_();
  ConfidentCrossEntropy(logits, teacher).backward();
  EXPECT_FALSE(teacher.grad().defined());
}

}  // namespace
}  // namespace acclimate::losses
