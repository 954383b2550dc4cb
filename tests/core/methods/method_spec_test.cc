#include "core/methods/method_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/methods/settings.h"

namespace acclimate::methods {
namespace {

using ::testing::HasSubstr;

MethodSpec Example() {
  MethodSpec spec;
  spec.name = "example";
  spec.hyperparameters = {
      IntegerSetting("epochs", "Passes", 5, 1, 100), RealSetting("beta", "Weight", 0.3, 0.0, 1.0),
      PositiveSetting("rate", "Rate", 0.01, 10.0), FlagSetting("nesterov", "Look ahead", true),
      ChoiceSetting("schedule", "Over time", "constant", {"constant", "step"})};
  return spec;
}

// The description of the only problem; empty when there is none.
std::string Problem(const std::string& name, const HyperparameterValue& value) {
  const auto problems = CheckHyperparameters(Example(), {{name, value}});
  if (problems.empty()) return "";
  EXPECT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].name, name);
  return problems[0].description;
}

TEST(CheckHyperparametersTest, TakesValuesWithinBounds) {
  EXPECT_TRUE(CheckHyperparameters(Example(), {}).empty());
  const Hyperparameters all = {{"epochs", int64_t{100}},
                               {"beta", 0.0},
                               {"rate", 10.0},
                               {"nesterov", false},
                               {"schedule", std::string("step")}};
  EXPECT_TRUE(CheckHyperparameters(Example(), all).empty());
}

TEST(CheckHyperparametersTest, TakesAnIntegerForARealNumberOnly) {
  EXPECT_EQ(Problem("beta", int64_t{1}), "");
  EXPECT_EQ(Problem("beta", int64_t{2}), "2 is outside [0, 1]");
  EXPECT_EQ(Problem("epochs", 2.0), "must be an integer, not a number");
}

TEST(CheckHyperparametersTest, RefusesOtherTypes) {
  EXPECT_EQ(Problem("beta", true), "must be a number, not true or false");
  EXPECT_EQ(Problem("epochs", std::string("5")), "must be an integer, not text");
  EXPECT_EQ(Problem("nesterov", int64_t{1}), "must be true or false, not an integer");
  EXPECT_EQ(Problem("schedule", 0.5), "must be text, not a number");
}

TEST(CheckHyperparametersTest, BoundsAreInclusiveButForAnExclusiveMinimum) {
  EXPECT_EQ(Problem("epochs", int64_t{1}), "");
  EXPECT_EQ(Problem("epochs", int64_t{0}), "0 is outside [1, 100]");
  EXPECT_EQ(Problem("epochs", int64_t{101}), "101 is outside [1, 100]");
  EXPECT_EQ(Problem("beta", 1.0), "");
  EXPECT_EQ(Problem("rate", 0.0), "0 is outside (0, 10]");
  EXPECT_EQ(Problem("rate", 1e-9), "");
}

TEST(CheckHyperparametersTest, RefusesWhatIsNoNumber) {
  EXPECT_EQ(Problem("beta", std::numeric_limits<double>::quiet_NaN()), "must be finite");
  EXPECT_EQ(Problem("beta", std::numeric_limits<double>::infinity()), "must be finite");
}

TEST(CheckHyperparametersTest, RefusesOtherChoices) {
  EXPECT_EQ(Problem("schedule", std::string("cosine")), "\"cosine\" is none of constant, step");
}

TEST(CheckHyperparametersTest, UnknownNameComesWithTheKnownOnes) {
  EXPECT_EQ(Problem("bets", 0.1), "unknown; example takes epochs, beta, rate, nesterov, schedule");
  MethodSpec none;
  none.name = "none";
  const auto problems = CheckHyperparameters(none, {{"beta", 0.1}});
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].description, "none takes no hyperparameters");
}

TEST(ResolveHyperparametersTest, LaysGivenOverDefaults) {
  const auto resolved = ResolveHyperparameters(Example(), {{"epochs", int64_t{9}}});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const Hyperparameters expected = {{"epochs", int64_t{9}},
                                    {"beta", 0.3},
                                    {"rate", 0.01},
                                    {"nesterov", true},
                                    {"schedule", std::string("constant")}};
  EXPECT_EQ(*resolved, expected);
}

TEST(ResolveHyperparametersTest, MakesAnIntegerReal) {
  const auto resolved = ResolveHyperparameters(Example(), {{"beta", int64_t{1}}});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->at("beta"), HyperparameterValue(1.0));
}

TEST(ResolveHyperparametersTest, NamesEveryProblemAtOnce) {
  const absl::Status status =
      ResolveHyperparameters(
          Example(),
          {{"bets", 0.1}, {"beta", -1.0}, {"epochs", std::string("many")}, {"nesterov", false}})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("hyperparameters.bets: unknown"));
  EXPECT_THAT(status.message(), HasSubstr("hyperparameters.beta: -1 is outside [0, 1]"));
  EXPECT_THAT(status.message(), HasSubstr("hyperparameters.epochs: must be an integer, not text"));
  EXPECT_THAT(status.message(), ::testing::Not(HasSubstr("nesterov: ")));
}

}  // namespace
}  // namespace acclimate::methods
