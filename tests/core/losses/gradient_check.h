// Compares a loss's gradient with central differences.
#ifndef ACCLIMATE_TESTS_CORE_LOSSES_GRADIENT_CHECK_H_
#define ACCLIMATE_TESTS_CORE_LOSSES_GRADIENT_CHECK_H_

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <functional>

namespace acclimate::losses {

// loss: double [...] -> scalar. Passes when every entry of the gradient at `input` is within
// `tolerance` of the central difference, relative to the largest entry.
inline void ExpectGradient(const std::function<at::Tensor(const at::Tensor&)>& loss,
                           const at::Tensor& input, double tolerance = 1e-6) {
  ASSERT_EQ(input.scalar_type(), at::kDouble);
  at::Tensor leaf = input.clone().requires_grad_();
  at::Tensor gradient = torch::autograd::grad({loss(leaf)}, {leaf})[0];

  at::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  at::Tensor probe = input.clone().contiguous(), numeric = at::empty_like(probe);
  double* entry = probe.data_ptr<double>();
  for (int64_t i = 0; i < probe.numel(); ++i) {
    double original = entry[i];
    entry[i] = original + kStep;
    double above = loss(probe).item<double>();
    entry[i] = original - kStep;
    double below = loss(probe).item<double>();
    entry[i] = original;
    numeric.data_ptr<double>()[i] = (above - below) / (2 * kStep);
  }
  double scale = std::max(1e-3, numeric.abs().max().item<double>());
  EXPECT_LT((gradient - numeric).abs().max().item<double>(), tolerance * scale)
      << "gradient " << gradient << "\ncentral differences " << numeric;
}

inline at::Tensor Normal(at::IntArrayRef shape) { return at::randn(shape, at::kDouble); }

}  // namespace acclimate::losses

#endif  // ACCLIMATE_TESTS_CORE_LOSSES_GRADIENT_CHECK_H_
