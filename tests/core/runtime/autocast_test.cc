#include "core/runtime/autocast.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <thread>

namespace acclimate::runtime {
namespace {

at::ScalarType TypeOfProduct() {
  const at::Tensor one = at::ones({2, 2});
  return at::mm(one, one).scalar_type();
}

TEST(AutocastScopeTest, LastsAsLongAsItLives) {
  EXPECT_EQ(AutocastType(at::kCPU), at::kFloat);
  {
    const AutocastScope scope(at::kCPU, at::kBFloat16);
    EXPECT_EQ(AutocastType(at::kCPU), at::kBFloat16);
    EXPECT_EQ(TypeOfProduct(), at::kBFloat16);
    {
      const AutocastScope off(at::kCPU, at::kFloat);
      EXPECT_EQ(TypeOfProduct(), at::kFloat);
    }
    EXPECT_EQ(TypeOfProduct(), at::kBFloat16);
    SetAutocast(at::kCPU, at::kFloat);
    EXPECT_EQ(TypeOfProduct(), at::kFloat);
  }
  EXPECT_EQ(TypeOfProduct(), at::kFloat);
  EXPECT_EQ(AutocastType(at::kCPU), at::kFloat);
}

TEST(AutocastScopeTest, IsOfItsThread) {
  const AutocastScope scope(at::kCPU, at::kBFloat16);
  at::ScalarType elsewhere = at::kBFloat16;
  std::thread([&] { elsewhere = TypeOfProduct(); }).join();
  EXPECT_EQ(elsewhere, at::kFloat);
}

TEST(AutocastScopeTest, DoesNotRememberTheCastOfAWeight) {
  const at::Tensor input = at::ones({1, 1}), weight = at::ones({1, 1}).requires_grad_();
  const AutocastScope scope(at::kCPU, at::kBFloat16);
  EXPECT_EQ(at::mm(input, weight).item<float>(), 1);
  {
    const at::NoGradGuard no_grad;
    weight.fill_(2);
  }
  EXPECT_EQ(at::mm(input, weight).item<float>(), 2);
}

}  // namespace
}  // namespace acclimate::runtime
