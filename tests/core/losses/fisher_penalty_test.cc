#include "core/losses/fisher_penalty.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

TEST(FisherPenaltyTest, EqualsItsDefinition) {
  const std::vector<at::Tensor> parameters = {Normal({4}), Normal({2, 3})};
  const std::vector<at::Tensor> anchors = {Normal({4}), Normal({2, 3})};
  const std::vector<at::Tensor> importance = {Normal({4}).square(), Normal({2, 3}).square()};
  double expected = 0;
  for (size_t k = 0; k < 2; ++k) {
    const at::Tensor p = parameters[k].flatten(), a = anchors[k].flatten();
    const at::Tensor f = importance[k].flatten();
    for (int64_t j = 0; j < p.numel(); ++j) {
      const double moved = p[j].item<double>() - a[j].item<double>();
      expected += f[j].item<double>() * moved * moved;
    }
  }
  EXPECT_NEAR(FisherPenalty(parameters, anchors, importance).item<double>(), expected, 1e-12);
}

TEST(FisherPenaltyTest, GradientIsRight) {
  const at::Tensor anchor = Normal({5}), importance = Normal({5}).square();
  ExpectGradient(
      [&](const at::Tensor& probe) { return FisherPenalty({probe}, {anchor}, {importance}); },
      Normal({5}));
}

}  // namespace
}  // namespace acclimate::losses
