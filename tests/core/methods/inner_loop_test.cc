#include "core/methods/few_shot/inner_loop.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>
#include <vector>

#include "core/losses/cross_entropy.h"
#include "core/model/architectures.h"
#include "tests/core/losses/gradient_check.h"

namespace acclimate::methods {
namespace {

using losses::ExpectGradient;
using losses::Normal;

// L^S = c |theta - s|^2 / 2, L^Q = q |theta' - b|^2 / 2.
struct Quadratic {
  double c = 0.7, q = 1.3, a = 0.4;
  at::Tensor s = Normal({5}), b = Normal({5});

  at::Tensor Support(const at::Tensor& theta) const { return c * (theta - s).square().sum() / 2; }
  at::Tensor Query(const at::Tensor& theta) const { return q * (theta - b).square().sum() / 2; }

  // {theta', gradient of L^Q(theta') with respect to theta}
  std::pair<at::Tensor, at::Tensor> Meta(const at::Tensor& start, int64_t steps,
                                         bool second_order) const {
    at::Tensor theta = start.clone().requires_grad_();
    const ParameterMap fast =
        Adapt({{"theta", theta}},
              [&](const ParameterMap& parameters) { return Support(parameters.at("theta")); },
              {steps, a, second_order});
    const at::Tensor moved = fast.at("theta");
    return {moved.detach(), torch::autograd::grad({Query(moved)}, {theta})[0]};
  }
};

TEST(InnerLoopTest, QuadraticGradientIsExact) {
  const Quadratic task;
  const at::Tensor start = Normal({5});
  for (const int64_t steps : {1, 3}) {
    const auto [moved, gradient] = task.Meta(start, steps, true);
    at::Tensor expected = start.clone();
    for (int64_t step = 0; step < steps; ++step) {
      expected -= task.a * task.c * (expected - task.s);
    }
    EXPECT_TRUE(moved.allclose(expected, 1e-13, 1e-13));
    const double factor = std::pow(1 - task.a * task.c, static_cast<double>(steps));
    EXPECT_TRUE(gradient.allclose(factor * task.q * (moved - task.b), 1e-13, 1e-13));
  }
}

TEST(InnerLoopTest, FirstOrderDropsTheHessianAndNothingElse) {
  const Quadratic task;
  const at::Tensor start = Normal({5});
  const auto [exact_moved, exact] = task.Meta(start, 3, true);
  const auto [moved, gradient] = task.Meta(start, 3, false);
  EXPECT_TRUE(moved.equal(exact_moved));
  EXPECT_TRUE(gradient.allclose(task.q * (moved - task.b), 1e-13, 1e-13));
  EXPECT_FALSE(gradient.allclose(exact, 1e-3, 1e-3));
}

// A network 3 -> 4 -> 2 whose parameters are one vector.
at::Tensor TinyLogits(const at::Tensor& theta, const at::Tensor& inputs) {
  const at::Tensor hidden =
      at::tanh(inputs.matmul(theta.slice(0, 0, 12).view({3, 4})) + theta.slice(0, 12, 16));
  return hidden.matmul(theta.slice(0, 16, 24).view({4, 2}));
}

TEST(InnerLoopTest, GradientThroughTheStepsEqualsCentralDifferences) {
  at::manual_seed(3);
  const at::Tensor support = Normal({4, 3}), query = Normal({6, 3});
  const at::Tensor support_labels = at::tensor({0, 1, 0, 1}, at::kLong);
  const at::Tensor query_labels = at::tensor({0, 1, 1, 0, 1, 0}, at::kLong);
  const auto meta_loss = [&](const at::Tensor& theta, bool second_order) {
    const at::AutoGradMode gradients(true);
    const at::Tensor start = theta.requires_grad() ? theta : theta.clone().requires_grad_();
    const ParameterMap fast = Adapt(
        {{"theta", start}},
        [&](const ParameterMap& parameters) {
          return losses::CrossEntropy(TinyLogits(parameters.at("theta"), support), support_labels);
        },
        {3, 0.5, second_order});
    return losses::CrossEntropy(TinyLogits(fast.at("theta"), query), query_labels);
  };
  const at::Tensor theta = Normal({24});
  ExpectGradient([&](const at::Tensor& probe) { return meta_loss(probe, true); }, theta, 1e-6);

  at::Tensor leaf = theta.clone().requires_grad_();
  const at::Tensor exact = torch::autograd::grad({meta_loss(leaf, true)}, {leaf})[0];
  const at::Tensor first = torch::autograd::grad({meta_loss(leaf, false)}, {leaf})[0];
  EXPECT_GT((exact - first).norm().item<double>(), 1e-3 * exact.norm().item<double>());
}

TEST(InnerLoopTest, StartStaysAndUnusedParametersToo) {
  const at::Tensor used = Normal({3}).requires_grad_(), unused = Normal({2}).requires_grad_();
  const at::Tensor before = used.detach().clone();
  const ParameterMap fast =
      Adapt({{"used", used}, {"unused", unused}},
            [](const ParameterMap& parameters) { return parameters.at("used").square().sum(); },
            {2, 0.1, true});
  EXPECT_TRUE(used.detach().equal(before));
  EXPECT_FALSE(fast.at("used").detach().equal(before));
  EXPECT_TRUE(fast.at("unused").is_same(unused));
}

// Through a network as methods have it, with convolutions and batch norm: the gradient is
// (I - a Hess L^S(theta)) grad L^Q(theta'), the product with the Hessian taken by itself.
TEST(InnerLoopTest, GradientThroughAModelIsTheHessianForm) {
  at::manual_seed(4);
  const auto model = model::BuildArchitecture({"conv4", {1, 12, 12}, 3}).value();
  constexpr double kRate = 0.2;
  constexpr model::Mode kMode = model::Mode::kBatchStatistics;
  const at::Tensor support = at::randn({3, 1, 12, 12}), query = at::randn({6, 1, 12, 12});
  const at::Tensor support_labels = at::arange(3, at::kLong),
                   query_labels = at::arange(6, at::kLong).remainder(3);
  ParameterMap parameters;
  std::vector<at::Tensor> tensors;
  for (const model::Parameter& parameter : model->parameters()) {
    parameters[parameter.name] = parameter.tensor;
  }
  for (const auto& [name, tensor] : parameters) tensors.push_back(tensor);
  const auto support_loss = [&](const ParameterMap& at) {
    return losses::CrossEntropy(model->ForwardWith(at, support, kMode).logits, support_labels);
  };

  const ParameterMap fast = Adapt(parameters, support_loss, {1, kRate, true});
  const std::vector<at::Tensor> meta = torch::autograd::grad(
      {losses::CrossEntropy(model->ForwardWith(fast, query, kMode).logits, query_labels)}, tensors);

  const auto moved = model->Clone();
  const std::vector<at::Tensor> gradient = torch::autograd::grad(
      {losses::CrossEntropy(model->Forward(support, kMode).logits, support_labels)}, tensors, {},
      /*retain_graph=*/true, /*create_graph=*/true);
  std::vector<at::Tensor> moved_tensors;
  {
    const at::NoGradGuard no_grad;
    size_t i = 0;
    for (const auto& [name, tensor] : parameters) {
      for (const model::Parameter& parameter : moved->parameters()) {
        if (parameter.name != name) continue;
        parameter.tensor.sub_(kRate * gradient[i]);
        moved_tensors.push_back(parameter.tensor);
      }
      ++i;
    }
  }
  const std::vector<at::Tensor> at_moved = torch::autograd::grad(
      {losses::CrossEntropy(moved->Forward(query, kMode).logits, query_labels)}, moved_tensors);
  const std::vector<at::Tensor> hessian_product =
      torch::autograd::grad(gradient, tensors, at_moved);
  double error = 0, first_order_error = 0, scale = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor expected = at_moved[i] - kRate * hessian_product[i];
    error += (meta[i] - expected).square().sum().item<double>();
    first_order_error += (meta[i] - at_moved[i]).square().sum().item<double>();
    scale += expected.square().sum().item<double>();
  }
  EXPECT_LT(std::sqrt(error / scale), 1e-3);
  EXPECT_GT(std::sqrt(first_order_error / scale), 1e-2);
}

}  // namespace
}  // namespace acclimate::methods
