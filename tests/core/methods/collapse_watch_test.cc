#include "core/methods/alignment/collapse_watch.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acclimate::methods {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kClasses = 4, kSteps = 8;  // the last quarter: steps 6 and 7

CollapseWatch Watch() { return CollapseWatch(kClasses, kSteps, at::kCPU); }

// As the loop gives it.
at::Tensor ProgressAt(int64_t step, int64_t steps = kSteps) {
  return at::scalar_tensor(static_cast<double>(step) / static_cast<double>(steps), at::kDouble);
}

// Logits whose largest is in the class given, a sample each.
at::Tensor Predicting(const std::vector<int64_t>& classes) {
  return at::one_hot(at::tensor(classes, at::kLong), kClasses).to(at::kFloat);
}

at::Tensor Labels(const std::vector<int64_t>& classes) { return at::tensor(classes, at::kLong); }

// `right` of ten samples in each domain are told right.
void SeeDomains(CollapseWatch& watch, int64_t step, int64_t right) {
  at::Tensor source = -at::ones({10, 1}), target = at::ones({10, 1});
  source.narrow(0, 0, right).fill_(1);
  target.narrow(0, 0, right).fill_(-1);
  watch.SeeDomains(ProgressAt(step), source, target);
}

TEST(CollapseWatchTest, AccuracyWeighsBothDomainsAlike) {
  CollapseWatch watch = Watch();
  const at::Tensor source = at::tensor({1.f, 1.f, 1.f, -1.f}).view({4, 1});  // 3 of 4 right
  const at::Tensor target = at::tensor({1.f, -1.f}).view({2, 1});            // 1 of 2 right
  EXPECT_DOUBLE_EQ(watch.SeeDomains(ProgressAt(0), source, target).item<double>(), 0.625);
}

TEST(CollapseWatchTest, TellsOfADiscriminatorThatWonInTheLastQuarterOnly) {
  CollapseWatch won = Watch(), late = Watch(), fair = Watch();
  for (int64_t step = 0; step < kSteps; ++step) {
    SeeDomains(won, step, step < 6 ? 5 : 10);
    SeeDomains(late, step, step < 6 ? 10 : 5);
    SeeDomains(fair, step, 9);
  }
  EXPECT_THAT(won.Warnings(), ElementsAre(::testing::AllOf(HasSubstr("domain classifier won"),
                                                           HasSubstr("100.0"))));
  EXPECT_THAT(late.Warnings(), IsEmpty());
  EXPECT_THAT(fair.Warnings(), IsEmpty());
}

TEST(CollapseWatchTest, TellsOfPredictionsOnFewClassesInTheLastQuarterOnly) {
  CollapseWatch collapsed = Watch(), early = Watch();
  for (int64_t step = 0; step < kSteps; ++step) {
    collapsed.SeePredictions(
        ProgressAt(step),
        Predicting(step < 6 ? std::vector<int64_t>{0, 1, 2, 3} : std::vector<int64_t>{2, 2, 2, 2}));
    early.SeePredictions(ProgressAt(step), Predicting(step < 6 ? std::vector<int64_t>{2, 2, 2, 2}
                                                               : std::vector<int64_t>{0, 1, 2, 3}));
  }
  EXPECT_THAT(collapsed.Warnings(), ElementsAre(HasSubstr("over 1.0 classes, where 4.0")));
  EXPECT_THAT(early.Warnings(), IsEmpty());
}

TEST(CollapseWatchTest, HoldsPredictionsAgainstTheSpreadOfTheSource) {
  // Nine in ten of one class: as in the source, or not.
  const std::vector<int64_t> skewed = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  CollapseWatch like_source = Watch(), unlike = Watch();
  like_source.SeePredictions(ProgressAt(kSteps - 1), Predicting(skewed), Labels(skewed));
  unlike.SeePredictions(ProgressAt(kSteps - 1), Predicting(skewed),
                        Labels({0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT_THAT(like_source.Warnings(), IsEmpty());
  EXPECT_THAT(unlike.Warnings(), ElementsAre(HasSubstr("predictions on the target collapsed")));
}

TEST(CollapseWatchTest, CountsTheStepsOfTheLastQuarterForAnyNumberOfSteps) {
  for (const int64_t steps : {1, 2, 3, 5, 10, 11, 12, 13, 999, 1000}) {
    CollapseWatch watch(kClasses, steps, at::kCPU);
    int64_t expected = 0;
    for (int64_t step = 0; step < steps; ++step) {
      if (4 * (step + 1) > 3 * steps) ++expected;
      watch.SeePredictions(ProgressAt(step, steps), Predicting({1}));
    }
    EXPECT_EQ(watch.State().at("collapse_watch.predicted").sum().item<int64_t>(), expected);
  }
}

TEST(CollapseWatchTest, SaysNothingOfWhatItHasNotSeen) {
  EXPECT_THAT(Watch().Warnings(), IsEmpty());
}

TEST(CollapseWatchTest, GoesOnFromItsState) {
  CollapseWatch first = Watch(), second = Watch();
  first.SeePredictions(ProgressAt(6), Predicting({0, 1, 2, 3}));
  SeeDomains(first, 6, 10);
  ASSERT_TRUE(second.Restore(first.State()).ok());
  EXPECT_EQ(second.Warnings(), first.Warnings());
  SeeDomains(second, 7, 5);
  EXPECT_THAT(second.Warnings(), IsEmpty());
  EXPECT_THAT(first.Warnings(), ElementsAre(HasSubstr("won")));  // its own sums
  EXPECT_FALSE(second.Restore({}).ok());
}

}  // namespace
}  // namespace acclimate::methods
