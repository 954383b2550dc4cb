#include "core/losses/l2_sp.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double SquaredLength(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.flatten();
  double sum = 0;
  for (int64_t i = 0; i < flat.size(0); ++i) sum += flat[i].item<double>() * flat[i].item<double>();
  return sum;
}

TEST(L2SpTest, EqualsItsDefinition) {
  at::manual_seed(1);
  const std::vector<at::Tensor> weights = {Normal({3, 2}), Normal({4})};
  const std::vector<at::Tensor> start = {Normal({3, 2}), Normal({4})};
  const std::vector<at::Tensor> fresh = {Normal({2, 2, 2}), Normal({1})};
  double expected = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const at::Tensor w = weights[i].flatten(), w0 = start[i].flatten();
    for (int64_t j = 0; j < w.size(0); ++j) {
      const double distance = w[j].item<double>() - w0[j].item<double>();
      expected += 0.3 / 2 * distance * distance;
    }
  }
  for (const at::Tensor& tensor : fresh) expected += 0.7 / 2 * SquaredLength(tensor);
  EXPECT_NEAR(L2Sp(weights, start, fresh, 0.3, 0.7).item<double>(), expected, 1e-12);
  EXPECT_EQ(L2Sp(start, start, {}, 0.3, 0.7).item<double>(), 0);
}

TEST(L2SpTest, WithoutAStartItIsWeightDecay) {
  at::manual_seed(2);
  const at::Tensor fresh = Normal({5});
  EXPECT_NEAR(L2Sp({}, {}, {fresh}, 0.3, 0.7).item<double>(), 0.35 * SquaredLength(fresh), 1e-12);
}

TEST(L2SpTest, GradientIsRight) {
  at::manual_seed(3);
  const at::Tensor start = Normal({3, 2});
  ExpectGradient([&](const at::Tensor& probe) { return L2Sp({probe}, {start}, {probe}, 0.3, 0.7); },
                 Normal({3, 2}));
}

TEST(L2SpTest, RefusesWhatDoesNotBelongTogether) {
  EXPECT_THROW(L2Sp({}, {}, {}, 1, 1), c10::Error);
  EXPECT_THROW(L2Sp({at::ones({2})}, {}, {}, 1, 1), c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
