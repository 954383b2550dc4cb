#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/train/optimizer.h"

namespace acclimate::train {
namespace {

constexpr double kRate = 0.5, kDecay = 0.01, kMomentum = 0.9, kTrust = 0.02;

OptimizerOptions Options() {
  OptimizerOptions options;
  options.kind = OptimizerOptions::Kind::kLars;
  options.learning_rate = kRate;
  options.weight_decay = kDecay;
  options.momentum = kMomentum;
  options.trust_coefficient = kTrust;
  return options;
}

NamedParameter Parameter(const std::string& name, const at::Tensor& value) {
  return {name, value.clone().requires_grad_()};
}

std::vector<double> Values(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

double NormOf(const std::vector<double>& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

// One update of one parameter by its definition.
void PlainStep(std::vector<double>& w, std::vector<double>& v, const std::vector<double>& g,
               bool adapts, double rate) {
  double lambda = 1, decay = 0;
  if (adapts) {
    decay = kDecay;
    lambda = kTrust * NormOf(w) / (NormOf(g) + decay * NormOf(w));
  }
  for (size_t i = 0; i < w.size(); ++i) {
    v[i] = kMomentum * v[i] + rate * lambda * (g[i] + decay * w[i]);
    w[i] -= v[i];
  }
}

void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected,
                double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], tolerance);
}

class LarsTest : public ::testing::TestWithParam<at::ScalarType> {};

TEST_P(LarsTest, EqualsPlainLoops) {
  at::manual_seed(1);
  const double tolerance = GetParam() == at::kDouble ? 1e-12 : 1e-5;
  // More elements than one chunk of the norm.
  NamedParameter weight = Parameter("fc.weight", at::randn({257, 301}, GetParam()));
  NamedParameter bias = Parameter("fc.bias", at::randn({300}, GetParam()));
  const auto optimizer = MakeOptimizer(Options(), {{{weight}, 2.0}, {{bias}, 1.0}});
  std::vector<double> w = Values(weight.tensor), b = Values(bias.tensor);
  std::vector<double> weight_velocity(w.size()), bias_velocity(b.size());
  for (int step = 0; step < 3; ++step) {
    weight.tensor.mutable_grad() = at::randn_like(weight.tensor.detach());
    bias.tensor.mutable_grad() = at::randn_like(bias.tensor.detach());
    const double factor = 1.0 / (1 + step);
    PlainStep(w, weight_velocity, Values(weight.tensor.grad()), true, 2 * factor * kRate);
    PlainStep(b, bias_velocity, Values(bias.tensor.grad()), false, factor * kRate);
    optimizer->SetRate(factor);
    optimizer->Step();
  }
  ExpectNear(Values(weight.tensor), w, tolerance);
  ExpectNear(Values(bias.tensor), b, tolerance);
}

INSTANTIATE_TEST_SUITE_P(Types, LarsTest, ::testing::Values(at::kFloat, at::kDouble));

TEST(LarsStepTest, DoesNotDependOnTheScaleOfTheGradient) {
  at::manual_seed(2);
  OptimizerOptions options = Options();
  options.weight_decay = 0;
  const at::Tensor start = at::randn({4, 5}), gradient = at::randn({4, 5});
  std::vector<at::Tensor> ends;
  for (const double scale : {1.0, 1000.0}) {
    NamedParameter weight = Parameter("w", start);
    const auto optimizer = MakeOptimizer(options, {{{weight}, 1.0}});
    weight.tensor.mutable_grad() = gradient * scale;
    optimizer->Step();
    ends.push_back(weight.tensor.detach());
  }
  EXPECT_TRUE(at::allclose(ends[0], ends[1], 1e-5, 1e-6));
  // The length of the first step is the trust coefficient's share of the weight.
  EXPECT_NEAR((ends[0] - start).norm().item<double>(), kRate * kTrust * start.norm().item<double>(),
              1e-5);
}

TEST(LarsStepTest, ZeroWeightsStillMove) {
  NamedParameter weight = Parameter("w", at::zeros({2, 2}));
  const auto optimizer = MakeOptimizer(Options(), {{{weight}, 1.0}});
  weight.tensor.mutable_grad() = at::ones({2, 2});
  optimizer->Step();
  EXPECT_TRUE(at::allclose(weight.tensor.detach(), at::full({2, 2}, -kRate)));
}

TEST(LarsStepTest, GoesOnFromItsState) {
  at::manual_seed(3);
  const at::Tensor start = at::randn({3, 4});
  const std::vector<at::Tensor> gradients = {at::randn({3, 4}), at::randn({3, 4})};
  NamedParameter straight = Parameter("w", start), resumed = Parameter("w", start);
  auto optimizer = MakeOptimizer(Options(), {{{straight}, 1.0}});
  const auto step = [&gradients](Optimizer& by, const NamedParameter& parameter, size_t i) {
    at::Tensor tensor = parameter.tensor;
    tensor.mutable_grad() = gradients[i];
    by.Step();
  };
  step(*optimizer, straight, 0);
  const std::map<std::string, at::Tensor> state = optimizer->State();
  auto other = MakeOptimizer(Options(), {{{resumed}, 1.0}});
  ASSERT_TRUE(other->Restore(state).ok());
  resumed.tensor.detach().copy_(straight.tensor.detach());
  step(*other, resumed, 1);
  step(*optimizer, straight, 1);
  EXPECT_TRUE(resumed.tensor.equal(straight.tensor));
}

}  // namespace
}  // namespace acclimate::train
