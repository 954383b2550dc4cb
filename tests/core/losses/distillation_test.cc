#include "core/losses/distillation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double Probability(const at::Tensor& logits, int64_t i, int64_t c, double temperature) {
  double sum = 0;
  for (int64_t k = 0; k < logits.size(1); ++k) {
    sum += std::exp(logits[i][k].item<double>() / temperature);
  }
  return std::exp(logits[i][c].item<double>() / temperature) / sum;
}

double BruteForceDistillation(const at::Tensor& student, const at::Tensor& teacher,
                              double temperature) {
  double divergence = 0;
  for (int64_t i = 0; i < student.size(0); ++i) {
    for (int64_t c = 0; c < student.size(1); ++c) {
      const double p = Probability(teacher, i, c, temperature);
      divergence += p * std::log(p / Probability(student, i, c, temperature));
    }
  }
  return temperature * temperature * divergence / student.size(0);
}

TEST(KlDistillationTest, EqualsItsDefinition) {
  at::manual_seed(1);
  const at::Tensor student = Normal({5, 4}) * 2, teacher = Normal({5, 4}) * 2;
  for (const double temperature : {1.0, 4.0, 10.0}) {
    EXPECT_NEAR(KlDistillation(student, teacher, temperature).item<double>(),
                BruteForceDistillation(student, teacher, temperature), 1e-12);
  }
  EXPECT_NEAR(KlDistillation(teacher + 3, teacher, 2).item<double>(), 0, 1e-14);
}

TEST(KlDistillationTest, GradientIsRight) {
  at::manual_seed(2);
  const at::Tensor teacher = Normal({3, 4});
  ExpectGradient([&](const at::Tensor& probe) { return KlDistillation(probe, teacher, 3); },
                 Normal({3, 4}));
}

// What T^2 is for: at high temperatures the gradient tends to that of half the squared difference
// of centred logits over C, whatever T.
TEST(KlDistillationTest, GradientsDoNotShrinkWithTheTemperature) {
  at::manual_seed(3);
  at::Tensor student = Normal({6, 5}).requires_grad_();
  const at::Tensor teacher = Normal({6, 5});
  const auto gradient = [&](double temperature) {
    return torch::autograd::grad({KlDistillation(student, teacher, temperature)}, {student})[0];
  };
  const at::Tensor difference = student.detach() - teacher;
  const at::Tensor limit = (difference - difference.mean(1, true)) / (6 * 5);
  EXPECT_TRUE(at::allclose(gradient(1000), limit, 1e-2, 1e-4));
}

}  // namespace
}  // namespace acclimate::losses
