#include "core/methods/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acclimate::methods {
namespace {

using ::testing::ElementsAre;

TEST(SettingsTest, ReadsByType) {
  const Settings settings({{"steps", int64_t{7}},
                           {"beta", 0.5},
                           {"nesterov", true},
                           {"schedule", std::string("constant")}});
  EXPECT_EQ(settings.Integer("steps"), 7);
  EXPECT_EQ(settings.Real("beta"), 0.5);
  EXPECT_TRUE(settings.Flag("nesterov"));
  EXPECT_EQ(settings.Text("schedule"), "constant");
}

TEST(SettingsTest, WrongNameOrTypeThrows) {
  const Settings settings({{"steps", int64_t{7}}});
  EXPECT_ANY_THROW(settings.Integer("step"));
  EXPECT_ANY_THROW(settings.Real("steps"));
  EXPECT_ANY_THROW(settings.Flag("steps"));
  EXPECT_ANY_THROW(settings.Text("steps"));
}

TEST(SettingsTest, DescriptionsCarryWhatTheyWereGiven) {
  const HyperparameterSpec integer = IntegerSetting("steps", "How many", 7, 1, 9);
  EXPECT_EQ(integer.name, "steps");
  EXPECT_EQ(integer.description, "How many");
  EXPECT_EQ(integer.default_value, HyperparameterValue(int64_t{7}));
  EXPECT_EQ(integer.minimum, 1.0);
  EXPECT_EQ(integer.maximum, 9.0);
  EXPECT_FALSE(integer.exclusive_minimum);

  const HyperparameterSpec real = RealSetting("beta", "Weight", 0.5, 0.25, 2.0);
  EXPECT_EQ(real.default_value, HyperparameterValue(0.5));
  EXPECT_EQ(real.minimum, 0.25);
  EXPECT_EQ(real.maximum, 2.0);
  EXPECT_FALSE(real.exclusive_minimum);

  const HyperparameterSpec positive = PositiveSetting("rate", "Rate", 0.5, 2.0);
  EXPECT_EQ(positive.default_value, HyperparameterValue(0.5));
  EXPECT_EQ(positive.minimum, 0.0);
  EXPECT_EQ(positive.maximum, 2.0);
  EXPECT_TRUE(positive.exclusive_minimum);

  EXPECT_EQ(FlagSetting("flag", "On", true).default_value, HyperparameterValue(true));

  const HyperparameterSpec choice = ChoiceSetting("schedule", "Over time", "a", {"a", "b"});
  EXPECT_EQ(choice.default_value, HyperparameterValue(std::string("a")));
  EXPECT_THAT(choice.choices, ElementsAre("a", "b"));
}

TEST(SettingsTest, ConcatenatedKeepsTheOrder) {
  const auto both = Concatenated({FlagSetting("c", "", true)},
                                 {FlagSetting("a", "", true), FlagSetting("b", "", true)});
  std::vector<std::string> names;
  for (const HyperparameterSpec& spec : both) names.push_back(spec.name);
  EXPECT_THAT(names, ElementsAre("c", "a", "b"));
}

}  // namespace
}  // namespace acclimate::methods
