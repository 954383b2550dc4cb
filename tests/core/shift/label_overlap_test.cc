#include "core/shift/label_overlap.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/shift/output_measures.h"

namespace acclimate::shift {
namespace {

TEST(LabelOverlapTest, IsOneLessTheTotalVariation) {
  const at::Tensor p = at::tensor({0.5, 0.3, 0.2}), q = at::tensor({0.2, 0.2, 0.6});
  EXPECT_NEAR(LabelOverlap(p, q), 0.6, 1e-6);
  EXPECT_NEAR(LabelOverlap(p, q), 1 - (p - q).abs().sum().item<double>() / 2, 1e-6);
  EXPECT_NEAR(LabelOverlap(p, p), 1, 1e-6);
  EXPECT_EQ(LabelOverlap(at::tensor({1.0, 0.0}), at::tensor({0.0, 1.0})), 0);
}

// R: chisq.test(matrix(c(30, 20, 50, 45, 25, 30), 2, byrow = TRUE)): X-squared = 8.5556, df = 2.
// For two degrees of freedom the p-value is exp(-X/2).
TEST(PredictedLabelTestTest, EqualsTheChiSquaredTest) {
  const at::Tensor source = at::tensor({30, 20, 50}), target = at::tensor({45, 25, 30});
  double statistic = 0;
  for (int i = 0; i < 3; ++i) {
    const double a = source[i].item<double>(), b = target[i].item<double>(), mean = (a + b) / 2;
    statistic += ((a - mean) * (a - mean) + (b - mean) * (b - mean)) / mean;
  }
  EXPECT_NEAR(statistic, 8.5556, 1e-4);
  EXPECT_NEAR(PredictedLabelTest(source, target), std::exp(-statistic / 2), 1e-9);
}

TEST(PredictedLabelTestTest, LeavesOutClassesThatAreNeverPredicted) {
  EXPECT_NEAR(PredictedLabelTest(at::tensor({30, 0, 20}), at::tensor({20, 0, 30})),
              PredictedLabelTest(at::tensor({30, 20}), at::tensor({20, 30})), 1e-12);
  EXPECT_EQ(PredictedLabelTest(at::tensor({30, 0}), at::tensor({20, 0})), 1);
}

TEST(RowsWithSharesTest, TakesAsManyAsThereAreOfTheScarcestClass) {
  const at::Tensor labels = at::arange(300, at::kLong).remainder(3);
  const at::Tensor prior = at::tensor({0.5, 0.4, 0.1}, at::kDouble);
  const at::Tensor rows = RowsWithShares(labels, prior, at::detail::createCPUGenerator(0));
  const at::Tensor counts = labels.index_select(0, rows).bincount({}, 3);
  EXPECT_TRUE(counts.equal(at::tensor({100, 80, 20}, at::kLong))) << counts;
  EXPECT_EQ(std::get<0>(at::_unique(rows)).size(0), 200);
  EXPECT_EQ(
      RowsWithShares(labels.narrow(0, 0, 9), prior, at::detail::createCPUGenerator(0)).size(0), 0);
}

}  // namespace
}  // namespace acclimate::shift
