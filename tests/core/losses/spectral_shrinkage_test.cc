#include "core/losses/spectral_shrinkage.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

// Squared singular values, rising: the eigenvalues of the smaller Gram matrix by Jacobi's
// rotations.
std::vector<double> SquaredSingularValues(const at::Tensor& features) {
  const int64_t n = std::min(features.size(0), features.size(1));
  const at::Tensor f = features.size(0) < features.size(1) ? features : features.t();
  std::vector<std::vector<double>> gram(n, std::vector<double>(n, 0.0));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t k = 0; k < f.size(1); ++k) {
        gram[i][j] += f[i][k].item<double>() * f[j][k].item<double>();
      }
    }
  }
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (int64_t p = 0; p < n; ++p) {
      for (int64_t q = p + 1; q < n; ++q) {
        const double angle = 0.5 * std::atan2(2 * gram[p][q], gram[p][p] - gram[q][q]);
        const double c = std::cos(angle), s = std::sin(angle);
        for (int64_t k = 0; k < n; ++k) {
          const double a = gram[p][k], b = gram[q][k];
          gram[p][k] = c * a + s * b;
          gram[q][k] = c * b - s * a;
        }
        for (int64_t k = 0; k < n; ++k) {
          const double a = gram[k][p], b = gram[k][q];
          gram[k][p] = c * a + s * b;
          gram[k][q] = c * b - s * a;
        }
      }
    }
  }
  std::vector<double> squares;
  for (int64_t i = 0; i < n; ++i) squares.push_back(gram[i][i]);
  std::sort(squares.begin(), squares.end());
  return squares;
}

double BruteForceSpectralShrinkage(const at::Tensor& features, int64_t count) {
  const std::vector<double> squares = SquaredSingularValues(features);
  double sum = 0;
  for (size_t i = 0; i < std::min(squares.size(), static_cast<size_t>(count)); ++i) {
    sum += squares[i];
  }
  return sum;
}

TEST(SpectralShrinkageTest, EqualsItsDefinition) {
  at::manual_seed(1);
  for (auto [n, d] : {std::pair(7, 4), std::pair(4, 4), std::pair(3, 6)}) {
    const at::Tensor features = Normal({n, d});
    for (const int64_t count : {1, 2, 10}) {
      EXPECT_NEAR(SpectralShrinkage(features, count).item<double>(),
                  BruteForceSpectralShrinkage(features, count), 1e-10);
    }
  }
}

TEST(SpectralShrinkageTest, AllOfThemAreTheSumOfSquares) {
  at::manual_seed(2);
  const at::Tensor features = Normal({5, 3});
  EXPECT_NEAR(SpectralShrinkage(features, 3).item<double>(), features.square().sum().item<double>(),
              1e-10);
}

TEST(SpectralShrinkageTest, GradientIsRight) {
  at::manual_seed(3);
  for (auto [n, d] : {std::pair(6, 3), std::pair(3, 5)}) {
    for (const int64_t count : {1, 2}) {
      ExpectGradient(
          [count](const at::Tensor& probe) {
            return probe.requires_grad()
                       ? SpectralShrinkage(probe, count)
                       : at::full({}, BruteForceSpectralShrinkage(probe, count), at::kDouble);
          },
          Normal({n, d}));
    }
  }
}

TEST(SpectralShrinkageTest, RepeatedAndVanishingSingularValuesHaveABoundedGradient) {
  for (const at::Tensor& features : {at::zeros({6, 3}), at::eye(3).repeat({2, 1})}) {
    const at::Tensor leaf = features.clone().requires_grad_();
    SpectralShrinkage(leaf, 2).backward();
    EXPECT_TRUE(leaf.grad().isfinite().all().item<bool>());
    EXPECT_LT(leaf.grad().abs().max().item<float>(), 3.0f);
  }
}

TEST(SpectralShrinkageTest, IsNotANumberForFeaturesThatAreNone) {
  const float none = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(SpectralShrinkage(at::full({3, 2}, none), 1).item<float>()));
}

}  // namespace
}  // namespace acclimate::losses
