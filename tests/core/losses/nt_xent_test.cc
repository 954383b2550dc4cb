#include "core/losses/nt_xent.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

// The definition, view by view.
double BruteForceNtXent(const at::Tensor& first, const at::Tensor& second, double temperature) {
  const at::Tensor views = at::cat({first, second});
  const int64_t count = views.size(0);
  const auto similarity = [&](int64_t i, int64_t j) {
    const double dot = (views[i] * views[j]).sum().item<double>();
    return dot / (views[i].norm().item<double>() * views[j].norm().item<double>());
  };
  double loss = 0;
  for (int64_t i = 0; i < count; ++i) {
    double denominator = 0;
    for (int64_t k = 0; k < count; ++k) {
      if (k != i) denominator += std::exp(similarity(i, k) / temperature);
    }
    const int64_t other = (i + count / 2) % count;
    loss -= std::log(std::exp(similarity(i, other) / temperature) / denominator) / count;
  }
  return loss;
}

TEST(NtXentTest, EqualsItsDefinition) {
  at::manual_seed(1);
  for (const int64_t samples : {1, 2, 7}) {
    for (const double temperature : {0.1, 0.5, 2.0}) {
      const at::Tensor first = Normal({samples, 5}), second = Normal({samples, 5}) * 3;
      EXPECT_NEAR(NtXent(first, second, temperature).item<double>(),
                  BruteForceNtXent(first, second, temperature), 1e-12);
    }
  }
}

TEST(NtXentTest, GradientIsRightForBothViews) {
  at::manual_seed(2);
  const at::Tensor first = Normal({4, 3}), second = Normal({4, 3});
  ExpectGradient([&](const at::Tensor& probe) { return NtXent(probe, second, 0.4); }, first);
  ExpectGradient([&](const at::Tensor& probe) { return NtXent(first, probe, 0.4); }, second);
  // And behind another operation, with a gradient that is not 1.
  ExpectGradient([&](const at::Tensor& probe) { return 3 * NtXent(probe, probe * probe, 0.7); },
                 first);
}

TEST(NtXentTest, SharpTemperaturesStayFinite) {
  at::manual_seed(3);
  at::Tensor first = at::randn({6, 4}).requires_grad_();
  const at::Tensor loss = NtXent(first, first.detach() + 0.01 * at::randn({6, 4}), 1e-3);
  loss.backward();
  EXPECT_TRUE(std::isfinite(loss.item<double>()));
  EXPECT_TRUE(first.grad().isfinite().all().item<bool>());
}

TEST(NtXentTest, RefusesWhatItCannotDo) {
  EXPECT_THROW(NtXent(at::randn({4, 3}), at::randn({5, 3}), 0.5), c10::Error);
  EXPECT_THROW(NtXent(at::randn({4}), at::randn({4}), 0.5), c10::Error);
  EXPECT_THROW(NtXent(at::randn({4, 3}), at::randn({4, 3}), 0), c10::Error);
  at::Tensor x = at::randn({4, 3}).requires_grad_();
  const at::Tensor value = NtXent(x, at::randn({4, 3}), 0.5);
  EXPECT_THROW(torch::autograd::grad({value}, {x}, {}, true, /*create_graph=*/true), c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
