#include "core/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace acclimate::train {
namespace {

TEST(ScheduleTest, ConstantStays) {
  EXPECT_EQ(ScheduleFactor(Schedule::kConstant, 0, 10), 1.0);
  EXPECT_EQ(ScheduleFactor(Schedule::kConstant, 9, 10), 1.0);
}

TEST(ScheduleTest, InverseDecayFollowsProgress) {
  EXPECT_EQ(ScheduleFactor(Schedule::kInverseDecay, 0, 40), 1.0);
  EXPECT_NEAR(ScheduleFactor(Schedule::kInverseDecay, 12, 40), 1 / std::pow(4.0, 0.75), 1e-15);
  EXPECT_NEAR(ScheduleFactor(Schedule::kInverseDecay, 40, 40), 1 / std::pow(11.0, 0.75), 1e-15);
}

TEST(ScheduleTest, StepDecayIgnoresTheTotal) {
  EXPECT_EQ(ScheduleFactor(Schedule::kStepDecay, 0, 5), 1.0);
  EXPECT_NEAR(ScheduleFactor(Schedule::kStepDecay, 3000, 5), 1 / std::pow(4.0, 0.75), 1e-15);
  EXPECT_EQ(ScheduleFactor(Schedule::kStepDecay, 3000, 5),
            ScheduleFactor(Schedule::kStepDecay, 3000, 1000000));
}

TEST(WarmUpTest, RisesInEqualParts) {
  EXPECT_EQ(WarmUpFactor(0, 4), 0.25);
  EXPECT_EQ(WarmUpFactor(2, 4), 0.75);
  EXPECT_EQ(WarmUpFactor(3, 4), 1.0);
  EXPECT_EQ(WarmUpFactor(1000, 4), 1.0);
}

TEST(WarmUpTest, NoneIsTheWholeRate) {
  EXPECT_EQ(WarmUpFactor(0, 0), 1.0);
  EXPECT_EQ(WarmUpFactor(0, 1), 1.0);
}

}  // namespace
}  // namespace acclimate::train
