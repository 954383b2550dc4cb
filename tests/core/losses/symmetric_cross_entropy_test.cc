#include "core/losses/symmetric_cross_entropy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double SoftmaxAt(const at::Tensor& logits, int64_t row, int64_t column) {
  double sum = 0;
  for (int64_t c = 0; c < logits.size(1); ++c) sum += std::exp(logits[row][c].item<double>());
  return std::exp(logits[row][column].item<double>()) / sum;
}

TEST(SymmetricCrossEntropyTest, EqualsItsDefinitionFromBothSides) {
  at::manual_seed(1);
  const at::Tensor a = Normal({6, 4}) * 2, b = Normal({6, 4}) * 2;
  const at::Tensor actual = SymmetricCrossEntropy(a, b), reversed = SymmetricCrossEntropy(b, a);
  for (int64_t i = 0; i < 6; ++i) {
    double expected = 0;
    for (int64_t c = 0; c < 4; ++c) {
      const double p = SoftmaxAt(a, i, c), q = SoftmaxAt(b, i, c);
      expected -= (q * std::log(p) + p * std::log(q)) / 2;
    }
    EXPECT_NEAR(actual[i].item<double>(), expected, 1e-12);
    EXPECT_NEAR(reversed[i].item<double>(), expected, 1e-12);
  }
}

TEST(SymmetricCrossEntropyTest, GradientIsRightToBoth) {
  at::manual_seed(2);
  const at::Tensor a = Normal({5, 3}), b = Normal({5, 3});
  ExpectGradient([&](const at::Tensor& probe) { return SymmetricCrossEntropy(probe, b).sum(); }, a);
  ExpectGradient([&](const at::Tensor& probe) { return SymmetricCrossEntropy(a, probe).sum(); }, b);
}

}  // namespace
}  // namespace acclimate::losses
