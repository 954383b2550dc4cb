#include "core/train/learning_curves.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acclimate::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

MATCHER_P2(PointIs, step, value, "") { return arg.step == step && arg.value == value; }

// The value at every step is the step itself.
LearningCurves Counting(int64_t total_steps, int64_t points) {
  LearningCurves curves(total_steps, points);
  for (int64_t step = 1; step <= total_steps; ++step) {
    curves.Add(step, {{"loss", static_cast<double>(step)}});
  }
  return curves;
}

TEST(LearningCurvesTest, PointsAreMeansOverIntervals) {
  EXPECT_THAT(Counting(6, 3).points().at("loss"),
              ElementsAre(PointIs(2, 1.5), PointIs(4, 3.5), PointIs(6, 5.5)));
}

TEST(LearningCurvesTest, FewerStepsThanPointsAreAllKept) {
  EXPECT_THAT(Counting(3, 200).points().at("loss"),
              ElementsAre(PointIs(1, 1.0), PointIs(2, 2.0), PointIs(3, 3.0)));
}

TEST(LearningCurvesTest, LastIntervalMayBeShort) {
  EXPECT_THAT(Counting(7, 2).points().at("loss"), ElementsAre(PointIs(4, 2.5), PointIs(7, 6.0)));
}

TEST(LearningCurvesTest, LongRunsAreThinned) {
  EXPECT_EQ(Counting(100000, 200).points().at("loss").size(), 200u);
}

TEST(LearningCurvesTest, MetricIsMeanOfTheStepsThatHadIt) {
  LearningCurves curves(4, 1);
  curves.Add(1, {{"loss", 1.0}});
  curves.Add(2, {{"loss", 2.0}, {"accuracy", 0.25}});
  curves.Add(3, {{"loss", 3.0}});
  curves.Add(4, {{"loss", 4.0}, {"accuracy", 0.75}});
  EXPECT_THAT(curves.points().at("loss"), ElementsAre(PointIs(4, 2.5)));
  EXPECT_THAT(curves.points().at("accuracy"), ElementsAre(PointIs(4, 0.5)));
}

TEST(LearningCurvesTest, RestoredWithinAnIntervalGoesOnAsIfNeverStopped) {
  LearningCurves before(6, 2);
  for (int64_t step = 1; step <= 5; ++step) before.Add(step, {{"loss", step * 1.0}});
  LearningCurves after(6, 2);
  ASSERT_TRUE(after.Restore(before.State()).ok());
  after.Add(6, {{"loss", 6.0}});
  EXPECT_THAT(after.points().at("loss"), ElementsAre(PointIs(3, 2.0), PointIs(6, 5.0)));
}

TEST(LearningCurvesTest, RestoreForgetsWhatWasThere) {
  LearningCurves curves = Counting(3, 200);
  ASSERT_TRUE(curves.Restore({}).ok());
  EXPECT_TRUE(curves.points().empty());
}

TEST(LearningCurvesTest, MisshapenStatesAreRefused) {
  const at::Tensor misshapen[] = {at::zeros({2, 3}, at::kDouble), at::zeros({2}, at::kDouble),
                                  at::zeros({2, 2}, at::kFloat)};
  for (const char* place : {"points/loss", "pending/loss"}) {
    for (const at::Tensor& tensor : misshapen) {
      LearningCurves curves(10);
      const absl::Status status = curves.Restore({{place, tensor}});
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << place << tensor.toString();
      EXPECT_THAT(status.message(), HasSubstr("curve loss"));
    }
  }
}

// One row is read of it.
TEST(LearningCurvesTest, PendingSumWithoutARowIsRefused) {
  LearningCurves curves(10);
  EXPECT_EQ(curves.Restore({{"pending/loss", at::zeros({0, 2}, at::kDouble)}}).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace acclimate::train
