#include "core/losses/attention_transfer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

// The normalised map of sample i, averaged over windows of `pool` x `pool`.
std::vector<double> BruteForceMap(const at::Tensor& activations, int64_t i, int64_t pool) {
  const auto value = activations.accessor<double, 4>();
  std::vector<double> map;
  double squares = 0;
  for (int64_t y = 0; y < activations.size(2); y += pool) {
    for (int64_t x = 0; x < activations.size(3); x += pool) {
      double energy = 0;
      for (int64_t c = 0; c < activations.size(1); ++c) {
        for (int64_t dy = 0; dy < pool; ++dy) {
          for (int64_t dx = 0; dx < pool; ++dx) {
            energy += value[i][c][y + dy][x + dx] * value[i][c][y + dy][x + dx] / (pool * pool);
          }
        }
      }
      map.push_back(energy);
      squares += energy * energy;
    }
  }
  for (double& entry : map) entry /= std::sqrt(squares);
  return map;
}

double BruteForceTransfer(const at::Tensor& student, const at::Tensor& teacher,
                          int64_t teacher_pool) {
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < student.size(0); ++i) {
    const std::vector<double> s = BruteForceMap(student, i, 1);
    const std::vector<double> t = BruteForceMap(teacher, i, teacher_pool);
    for (size_t p = 0; p < s.size(); ++p, ++count) sum += (s[p] - t[p]) * (s[p] - t[p]);
  }
  return sum / count;
}

TEST(AttentionTransferTest, EqualsItsDefinition) {
  at::manual_seed(1);
  const at::Tensor student = Normal({3, 2, 4, 6});
  EXPECT_NEAR(AttentionTransfer(student, Normal({3, 2, 4, 6}) * 0).item<double>(), 1.0 / 24,
              1e-12);  // unit maps against nothing
  const at::Tensor teacher = Normal({3, 5, 4, 6});
  EXPECT_NEAR(AttentionTransfer(student, teacher).item<double>(),
              BruteForceTransfer(student, teacher, 1), 1e-14);
}

TEST(AttentionTransferTest, LargerMapsAreAveragedDown) {
  at::manual_seed(2);
  const at::Tensor student = Normal({2, 3, 3, 4}), teacher = Normal({2, 4, 6, 8});
  const double expected = BruteForceTransfer(student, teacher, 2);
  EXPECT_NEAR(AttentionTransfer(student, teacher).item<double>(), expected, 1e-14);
  EXPECT_NEAR(AttentionTransfer(teacher, student).item<double>(), expected, 1e-14);
}

TEST(AttentionTransferTest, ScaleDoesNotDecide) {
  at::manual_seed(3);
  const at::Tensor student = Normal({2, 3, 4, 4}), teacher = Normal({2, 3, 4, 4});
  EXPECT_NEAR(AttentionTransfer(student, teacher).item<double>(),
              AttentionTransfer(student * 10, teacher * 0.1).item<double>(), 1e-14);
  EXPECT_EQ(AttentionTransfer(student, student).item<double>(), 0);
}

TEST(AttentionTransferTest, GradientIsRightForImagesAndSeries) {
  at::manual_seed(4);
  const at::Tensor images = Normal({2, 3, 4, 4}), series = Normal({2, 3, 8});
  ExpectGradient([&](const at::Tensor& probe) { return AttentionTransfer(probe, images); },
                 Normal({2, 2, 2, 3}));
  ExpectGradient([&](const at::Tensor& probe) { return AttentionTransfer(probe, series); },
                 Normal({2, 2, 5}));
}

TEST(AttentionTransferTest, RefusesWrongShapes) {
  EXPECT_THROW(AttentionTransfer(at::randn({2, 3}), at::randn({2, 3})), c10::Error);
  EXPECT_THROW(AttentionTransfer(at::randn({2, 3, 4}), at::randn({3, 3, 4})), c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
