#include "core/losses/nuclear_norm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

// Singular values by Jacobi rotations of the columns until all are orthogonal (Hestenes 1958):
// their lengths, summed.
double BruteForceNuclearNorm(at::Tensor matrix) {
  if (matrix.size(0) < matrix.size(1)) matrix = matrix.t();
  matrix = matrix.clone().contiguous();
  auto m = matrix.accessor<double, 2>();
  const int64_t rows = matrix.size(0), columns = matrix.size(1);
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (int64_t p = 0; p < columns; ++p) {
      for (int64_t q = p + 1; q < columns; ++q) {
        double pp = 0, qq = 0, pq = 0;
        for (int64_t i = 0; i < rows; ++i) {
          pp += m[i][p] * m[i][p];
          qq += m[i][q] * m[i][q];
          pq += m[i][p] * m[i][q];
        }
        const double angle = 0.5 * std::atan2(2 * pq, pp - qq);
        const double c = std::cos(angle), s = std::sin(angle);
        for (int64_t i = 0; i < rows; ++i) {
          const double a = m[i][p], b = m[i][q];
          m[i][p] = c * a + s * b;
          m[i][q] = c * b - s * a;
        }
      }
    }
  }
  double sum = 0;
  for (int64_t k = 0; k < columns; ++k) {
    double squares = 0;
    for (int64_t i = 0; i < rows; ++i) squares += m[i][k] * m[i][k];
    sum += std::sqrt(squares);
  }
  return sum;
}

TEST(BatchNuclearNormTest, EqualsItsDefinition) {
  at::manual_seed(6);
  for (auto [n, classes] : {std::pair(7, 4), std::pair(4, 4), std::pair(3, 6)}) {
    const at::Tensor logits = Normal({n, classes}) * 2;
    EXPECT_NEAR(BatchNuclearNorm(logits).item<double>(),
                -BruteForceNuclearNorm(logits.softmax(1)) / n, 1e-10);
  }
}

TEST(BatchNuclearNormTest, GradientIsRight) {
  at::manual_seed(7);
  for (auto [n, classes] : {std::pair(6, 3), std::pair(3, 5)}) {
    ExpectGradient(
        [](const at::Tensor& probe) {
          return probe.requires_grad()
                     ? BatchNuclearNorm(probe)
                     : at::full({}, -BruteForceNuclearNorm(probe.softmax(1)) / probe.size(0),
                                at::kDouble);
        },
        Normal({n, classes}));
  }
}

TEST(BatchNuclearNormTest, BestIsCertainAndBalanced) {
  const at::Tensor balanced = at::eye(3, at::kDouble).repeat({4, 1}) * 1e3;
  EXPECT_NEAR(BatchNuclearNorm(balanced).item<double>(), -std::sqrt(3.0 / 12), 1e-12);
  at::Tensor collapsed = at::zeros({12, 3}, at::kDouble);
  collapsed.select(1, 0).fill_(1e3);
  EXPECT_NEAR(BatchNuclearNorm(collapsed).item<double>(), -std::sqrt(1.0 / 12), 1e-12);
}

TEST(BatchNuclearNormTest, RepeatedAndVanishingSingularValuesHaveABoundedGradient) {
  for (const at::Tensor& logits :
       {at::zeros({6, 3}), at::eye(3).repeat({2, 1}), at::eye(3).repeat({2, 1}) * 1e4}) {
    const at::Tensor leaf = logits.clone().requires_grad_();
    BatchNuclearNorm(leaf).backward();
    EXPECT_TRUE(leaf.grad().isfinite().all().item<bool>());
    EXPECT_LT(leaf.grad().abs().max().item<float>(), 1.0f);
  }
}

TEST(BatchNuclearNormTest, IsNotANumberForLogitsThatAreNone) {
  EXPECT_TRUE(std::isnan(BatchNuclearNorm(at::full({3, 2}, NAN)).item<float>()));
}

TEST(BatchNuclearNormTest, RefusesASecondDerivative) {
  const at::Tensor logits = Normal({4, 3}).requires_grad_();
  EXPECT_THROW(torch::autograd::grad({BatchNuclearNorm(logits)}, {logits}, {}, true, true),
               c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
