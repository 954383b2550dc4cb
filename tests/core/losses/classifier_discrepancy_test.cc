#include "core/losses/classifier_discrepancy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double BruteForceClassifierDiscrepancy(const at::Tensor& z, const at::Tensor& other) {
  const int64_t n = z.size(0), classes = z.size(1);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    double total = 0, other_total = 0;
    for (int64_t c = 0; c < classes; ++c) {
      total += std::exp(z[i][c].item<double>());
      other_total += std::exp(other[i][c].item<double>());
    }
    for (int64_t c = 0; c < classes; ++c) {
      sum += std::abs(std::exp(z[i][c].item<double>()) / total -
                      std::exp(other[i][c].item<double>()) / other_total);
    }
  }
  return sum / (n * classes);
}

TEST(ClassifierDiscrepancyTest, EqualsItsDefinition) {
  at::manual_seed(8);
  const at::Tensor z = Normal({5, 4}) * 2, other = Normal({5, 4});
  EXPECT_NEAR(ClassifierDiscrepancy(z, other).item<double>(),
              BruteForceClassifierDiscrepancy(z, other), 1e-12);
  EXPECT_EQ(ClassifierDiscrepancy(z, z).item<double>(), 0);
}

TEST(ClassifierDiscrepancyTest, GradientIsRight) {
  at::manual_seed(9);
  const at::Tensor z = Normal({4, 3}), other = Normal({4, 3});
  ExpectGradient([&](const at::Tensor& probe) { return ClassifierDiscrepancy(probe, other); }, z);
  ExpectGradient([&](const at::Tensor& probe) { return ClassifierDiscrepancy(z, probe); }, other);
}

}  // namespace
}  // namespace acclimate::losses
