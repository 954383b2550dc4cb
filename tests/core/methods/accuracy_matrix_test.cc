#include "core/methods/continual/accuracy_matrix.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace acclimate::methods {
namespace {

TEST(AccuracyMatrixTest, EqualsItsDefinitions) {
  at::manual_seed(1);
  constexpr int64_t kTasks = 5;
  at::Tensor matrix = at::rand({kTasks, kTasks}, at::kDouble);
  double average = 0, transfer = 0, forgetting = 0;
  for (int64_t j = 0; j < kTasks; ++j) {
    const double last = matrix[kTasks - 1][j].item<double>();
    average += last / kTasks;
    if (j == kTasks - 1) continue;
    transfer += (last - matrix[j][j].item<double>()) / (kTasks - 1);
    double best = 0;
    for (int64_t i = j; i < kTasks - 1; ++i) best = std::max(best, matrix[i][j].item<double>());
    forgetting += (best - last) / (kTasks - 1);
  }
  for (int64_t i = 0; i < kTasks; ++i) {  // what is above the diagonal was never measured
    for (int64_t j = i + 1; j < kTasks; ++j) matrix[i][j] = std::nan("");
  }
  EXPECT_NEAR(AverageAccuracy(matrix), average, 1e-14);
  EXPECT_NEAR(BackwardTransfer(matrix), transfer, 1e-14);
  EXPECT_NEAR(Forgetting(matrix), forgetting, 1e-14);
}

TEST(AccuracyMatrixTest, ASingleTaskForgetsNothing) {
  const at::Tensor matrix = at::full({1, 1}, 0.9, at::kDouble);
  EXPECT_DOUBLE_EQ(AverageAccuracy(matrix), 0.9);
  EXPECT_EQ(BackwardTransfer(matrix), 0);
  EXPECT_EQ(Forgetting(matrix), 0);
}

}  // namespace
}  // namespace acclimate::methods
