#include "core/losses/attraction_dispersion.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

constexpr int64_t kRows = 7, kNear = 3, kColumns = 4;

double BruteForceDispersion(const at::Tensor& p, const at::Tensor& q, double dispersal) {
  const auto dot = [](const at::Tensor& a, const at::Tensor& b) {
    double sum = 0;
    for (int64_t c = 0; c < kColumns; ++c) sum += a[c].item<double>() * b[c].item<double>();
    return sum;
  };
  double loss = 0;
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t j = 0; j < kNear; ++j) loss -= dot(p[i], q[i][j]) / kRows;
    for (int64_t m = 0; m < kRows; ++m) {
      if (m != i) loss += dispersal * dot(p[i], p[m]) / kRows;
    }
  }
  return loss;
}

TEST(AttractionDispersionTest, EqualsItsDefinition) {
  at::manual_seed(4);
  const at::Tensor p = Normal({kRows, kColumns}).softmax(1);
  const at::Tensor q = Normal({kRows, kNear, kColumns}).softmax(2);
  for (const double dispersal : {0.0, 0.3, 1.0}) {
    EXPECT_NEAR(AttractionDispersion(p, q, dispersal).item<double>(),
                BruteForceDispersion(p, q, dispersal), 1e-12);
  }
}

TEST(AttractionDispersionTest, GradientIsRightAndTheNeighboursAreHeld) {
  at::manual_seed(5);
  const at::Tensor q = Normal({kRows, kNear, kColumns}).softmax(2).requires_grad_();
  ExpectGradient(
      [&](const at::Tensor& probe) { return AttractionDispersion(probe.softmax(1), q, 0.4); },
      Normal({kRows, kColumns}));
  at::Tensor p = Normal({kRows, kColumns}).softmax(1).requires_grad_();
  AttractionDispersion(p, q, 0.4).backward();
  EXPECT_FALSE(q.grad().defined());
}

}  // namespace
}  // namespace acclimate::losses
