#include "core/losses/conditioning.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

TEST(OuterProductTest, EqualsItsDefinition) {
  at::manual_seed(12);
  const at::Tensor f = Normal({3, 4}), g = Normal({3, 5}), map = OuterProduct(f, g);
  ASSERT_EQ(map.sizes(), at::IntArrayRef({3, 20}));
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t d = 0; d < 4; ++d) {
      for (int64_t c = 0; c < 5; ++c) {
        EXPECT_EQ(map[i][d * 5 + c].item<double>(),
                  f[i][d].item<double>() * g[i][c].item<double>());
      }
    }
  }
}

TEST(OuterProductTest, GradientIsRight) {
  at::manual_seed(13);
  const at::Tensor f = Normal({3, 2}), g = Normal({3, 4}), weights = Normal({3, 8});
  ExpectGradient([&](const at::Tensor& probe) { return (OuterProduct(probe, g) * weights).sum(); },
                 f);
  ExpectGradient([&](const at::Tensor& probe) { return (OuterProduct(f, probe) * weights).sum(); },
                 g);
}

TEST(RandomizedProductTest, EqualsItsDefinition) {
  at::manual_seed(14);
  const at::Tensor f = Normal({2, 3}), g = Normal({2, 4}), rf = Normal({3, 5}), rg = Normal({4, 5});
  const at::Tensor map = RandomizedProduct(f, g, rf, rg);
  ASSERT_EQ(map.sizes(), at::IntArrayRef({2, 5}));
  for (int64_t i = 0; i < 2; ++i) {
    for (int64_t k = 0; k < 5; ++k) {
      double left = 0, right = 0;
      for (int64_t d = 0; d < 3; ++d) left += f[i][d].item<double>() * rf[d][k].item<double>();
      for (int64_t c = 0; c < 4; ++c) right += g[i][c].item<double>() * rg[c][k].item<double>();
      EXPECT_NEAR(map[i][k].item<double>(), left * right / std::sqrt(5.0), 1e-12);
    }
  }
  ExpectGradient(
      [&](const at::Tensor& probe) { return RandomizedProduct(probe, g, rf, rg).square().sum(); },
      f);
}

TEST(RandomizedProductTest, KeepsInnerProductsOfTheOuterProductInExpectation) {
  // <map(f, g), map(f', g')> is a mean of K products with the variance of fourth moments of normal
  // numbers: its error is a few times |f||f'||g||g'| / sqrt(K).
  at::manual_seed(15);
  constexpr int64_t kWidth = 200000;
  const at::Tensor f = Normal({2, 3}), g = Normal({2, 4}).softmax(1);
  const at::Tensor outer = OuterProduct(f, g);
  const at::Tensor map = RandomizedProduct(f, g, Normal({3, kWidth}), Normal({4, kWidth}));
  const double scale = (f.norm(2, 1) * g.norm(2, 1)).prod().item<double>();
  EXPECT_NEAR(map[0].dot(map[1]).item<double>(), outer[0].dot(outer[1]).item<double>(),
              4 * 3 * scale / std::sqrt(static_cast<double>(kWidth)));
}

}  // namespace
}  // namespace acclimate::losses
