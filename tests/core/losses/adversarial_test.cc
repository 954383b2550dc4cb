#include "core/losses/adversarial.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

at::Tensor Scalar(double value) { return at::scalar_tensor(value, at::kDouble); }

class ReverseGradientTest : public ::testing::Test {
 protected:
  ReverseGradientTest() { at::manual_seed(4); }

  at::Tensor Loss(const at::Tensor& features) const {
    return DomainAdversarialLoss(features.mm(discriminator_), (features * 2).mm(discriminator_));
  }

  at::Tensor features_ = Normal({5, 3}).requires_grad_();
  at::Tensor discriminator_ = Normal({3, 1}).requires_grad_();
};

TEST_F(ReverseGradientTest, ForwardIsAView) {
  at::Tensor reversed = ReverseGradient(features_, Scalar(0.3));
  EXPECT_TRUE(at::equal(reversed, features_));
  EXPECT_EQ(reversed.data_ptr(), features_.data_ptr());
}

TEST_F(ReverseGradientTest, FeaturesGetMinusLambdaTimesThePlainGradient) {
  at::Tensor plain = torch::autograd::grad({Loss(features_)}, {features_})[0];
  at::Tensor reversed =
      torch::autograd::grad({Loss(ReverseGradient(features_, Scalar(0.3)))}, {features_})[0];
  EXPECT_TRUE(at::allclose(reversed, -0.3 * plain, 1e-12, 0));
}

TEST_F(ReverseGradientTest, DiscriminatorLearnsAsWithoutIt) {
  at::Tensor plain = torch::autograd::grad({Loss(features_)}, {discriminator_})[0];
  at::Tensor reversed =
      torch::autograd::grad({Loss(ReverseGradient(features_, Scalar(0.3)))}, {discriminator_})[0];
  EXPECT_TRUE(at::equal(reversed, plain));
}

TEST_F(ReverseGradientTest, SecondDerivativeIsMinusLambdaTimesThePlainOne) {
  auto second = [&](const at::Tensor& seen) {
    at::Tensor first = torch::autograd::grad({Loss(seen)}, {features_}, {}, true, true)[0];
    return torch::autograd::grad({first.sum()}, {discriminator_})[0];
  };
  at::Tensor reversed = second(ReverseGradient(features_, Scalar(0.3)));
  EXPECT_TRUE(reversed.isfinite().all().item<bool>());
  EXPECT_TRUE(at::allclose(reversed, -0.3 * second(features_), 1e-10, 1e-12));
}

TEST(ReversalScheduleTest, GoesFromZeroToOne) {
  const auto lambda = [](double progress) {
    return ReversalSchedule(Scalar(progress)).item<double>();
  };
  EXPECT_EQ(lambda(0), 0);
  EXPECT_NEAR(lambda(0.1), std::tanh(0.5), 1e-12);  // 2 / (1 + e^-x) - 1 = tanh(x / 2)
  EXPECT_NEAR(lambda(1), 0.9999, 1e-5);
}

TEST(DomainAdversarialLossTest, EqualsItsDefinition) {
  at::Tensor source = Normal({4, 1}), target = Normal({7, 1});
  double expected =
      -0.5 * (source.sigmoid().log().mean() + (1 - target.sigmoid()).log().mean()).item<double>();
  EXPECT_NEAR(DomainAdversarialLoss(source, target).item<double>(), expected, 1e-12);
}

TEST(DomainAdversarialLossTest, WeighsSamplesWithinTheirDomain) {
  at::Tensor source = Normal({4, 1}), target = Normal({7, 1});
  at::Tensor w = Normal({4}).exp(), v = Normal({7}).exp();
  double expected = 0;
  for (int64_t i = 0; i < 4; ++i) {
    expected -= 0.5 * w[i].item<double>() * std::log(source[i].sigmoid().item<double>()) / 4;
  }
  for (int64_t j = 0; j < 7; ++j) {
    expected -= 0.5 * v[j].item<double>() * std::log(1 - target[j].sigmoid().item<double>()) / 7;
  }
  EXPECT_NEAR(DomainAdversarialLoss(source, target, w, v).item<double>(), expected, 1e-12);
}

TEST(DomainAdversarialLossTest, GradientIsRight) {
  at::Tensor source = Normal({4, 1}), target = Normal({3, 1});
  ExpectGradient([&](const at::Tensor& probe) { return DomainAdversarialLoss(probe, target); },
                 source);
  ExpectGradient([&](const at::Tensor& probe) { return DomainAdversarialLoss(source, probe); },
                 target);
}

TEST(DomainAdversarialLossTest, StaysFiniteWhenTheDiscriminatorIsCertainAndWrong) {
  at::Tensor certain = at::full({3, 1}, 1e4).requires_grad_();
  at::Tensor loss = DomainAdversarialLoss(-certain, certain);
  loss.backward();
  EXPECT_FLOAT_EQ(loss.item<float>(), 1e4f);
  EXPECT_TRUE(certain.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace acclimate::losses
