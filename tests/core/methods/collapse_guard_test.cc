#include "core/methods/source_free/collapse_guard.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace acclimate::methods {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// `samples` sure predictions, the first `in_class_0` of them of class 0, the others spread evenly.
at::Tensor Predictions(int64_t samples, int64_t in_class_0) {
  at::Tensor labels = at::arange(samples).remainder(4);
  labels.narrow(0, 0, in_class_0).zero_();
  return at::one_hot(labels, 4).to(at::kFloat) * 10;
}

class CollapseGuardTest : public ::testing::Test {
 protected:
  CollapseGuardTest() { guard_.Protect({{"w", weight_}}); }

  at::Tensor weight_ = at::zeros({3});
  CollapseGuard guard_{4};
};

TEST(PredictionTallyTest, EqualsItsDefinition) {
  PredictionTally tally(4);
  const at::Tensor logits = at::randn({50, 4}) * 3;
  tally.Add(logits.narrow(0, 0, 20));
  tally.Add(logits.narrow(0, 20, 30));
  EXPECT_EQ(tally.samples(), 50);
  double entropy = 0, largest = 0;
  for (int64_t c = 0; c < 4; ++c) {
    double mean = 0, first = 0;
    for (int64_t i = 0; i < 50; ++i) {
      mean += logits[i].softmax(0)[c].item<double>() / 50;
      first += (logits[i].argmax().item<int64_t>() == c) / 50.0;
    }
    entropy -= mean * std::log(mean);
    largest = std::max(largest, first);
  }
  EXPECT_NEAR(tally.MeanEntropy(), entropy, 1e-6);
  EXPECT_NEAR(tally.LargestShare(), largest, 1e-12);
}

TEST_F(CollapseGuardTest, PutsTheLastGoodWeightsBack) {
  EXPECT_FALSE(guard_.Observe(Predictions(600, 0), 0));
  weight_.fill_(1);
  EXPECT_FALSE(guard_.Observe(Predictions(600, 200), 1));  // ends with 1
  weight_.fill_(2);
  EXPECT_FALSE(guard_.Observe(Predictions(600, 200), 2));  // sound from 1 on
  EXPECT_FALSE(guard_.Observe(Predictions(300, 300), 3));  // half a window
  weight_.fill_(3);
  EXPECT_FALSE(guard_.halted());
  EXPECT_THAT(guard_.Warnings(), SizeIs(0));
  EXPECT_TRUE(guard_.Observe(Predictions(300, 300), 4));
  EXPECT_TRUE(guard_.halted());
  EXPECT_TRUE(weight_.equal(at::ones({3})));
  ASSERT_THAT(guard_.Warnings(), SizeIs(1));
  EXPECT_THAT(guard_.Warnings()[0], HasSubstr("collapsed at step 4"));
  nlohmann::json report;
  guard_.Report(report);
  EXPECT_EQ(report["collapse_guard"]["collapsed_at_step"], 4);
}

TEST_F(CollapseGuardTest, ACollapseInTheFirstWindowGoesBackToTheBeginning) {
  EXPECT_FALSE(guard_.Observe(Predictions(40, 0), 0));
  weight_.fill_(1);
  EXPECT_TRUE(guard_.Observe(Predictions(600, 600), 1));
  EXPECT_TRUE(weight_.equal(at::zeros({3})));
}

TEST_F(CollapseGuardTest, TwoOfFourClassesLeftIsStillSound) {
  EXPECT_FALSE(guard_.Observe(Predictions(600, 0), 0));
  const at::Tensor halves = at::one_hot(at::arange(600).remainder(2), 4).to(at::kFloat) * 10;
  EXPECT_FALSE(guard_.Observe(halves, 1));
}

// A target that is mostly of one class is no collapse.
TEST_F(CollapseGuardTest, OneClassFromTheBeginningIsNoCollapse) {
  EXPECT_FALSE(guard_.Observe(Predictions(600, 560), 0));
  EXPECT_FALSE(guard_.Observe(Predictions(600, 570), 1));
}

TEST_F(CollapseGuardTest, StateGoesOn) {
  guard_.Observe(Predictions(600, 0), 0);
  weight_.fill_(1);
  guard_.Observe(Predictions(600, 100), 1);
  guard_.Observe(Predictions(600, 100), 2);
  guard_.Observe(Predictions(500, 500), 3);
  at::Tensor weight = at::full({3}, 9.0);
  CollapseGuard other(4);
  other.Protect({{"w", weight}});
  ASSERT_TRUE(other.Restore(guard_.State()).ok());
  EXPECT_TRUE(other.Observe(Predictions(40, 40), 4));
  EXPECT_TRUE(weight.equal(at::ones({3})));
  EXPECT_FALSE(other.Restore({}).ok());
}

}  // namespace
}  // namespace acclimate::methods
