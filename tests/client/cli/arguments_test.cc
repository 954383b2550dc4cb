#include "client/cli/arguments.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

const ArgumentSpec& Spec() {
  static const auto* spec = new ArgumentSpec{
      {{"NAME", "what", true}, {"MORE", "others", false, true}},
      {{"out", ValueKind::kFolder, "DIR", "", true},
       {"json", ValueKind::kSwitch, "", ""},
       {"help", ValueKind::kSwitch, "", ""},
       {"seed", ValueKind::kInteger, "N", ""},
       {"priority", ValueKind::kInteger32, "N", ""},
       {"mean", ValueKind::kNumbers, "M", "", false, true},
       {"set", ValueKind::kKeyValue, "K=V", "", false, true},
       {"state", ValueKind::kText, "STATE", "", false, false, {"RUNNING", "FAILED"}}}};
  return *spec;
}

std::string Refusal(const std::vector<std::string>& words) {
  const auto arguments = Arguments::Parse(Spec(), words);
  EXPECT_EQ(arguments.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(arguments.status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

TEST(ArgumentsTest, OptionsStandAnywhereInEitherForm) {
  const auto arguments =
      Arguments::Parse(Spec(), {"--out=a=b", "name", "--seed", "-3", "--json", "x", "--mean",
                                "0.1,0.2", "--mean=3", "--set", "k=v=w", "--", "--seed"});
  ASSERT_TRUE(arguments.ok()) << arguments.status();
  EXPECT_THAT(arguments->positionals(), ElementsAre("name", "x", "--seed"));
  EXPECT_EQ(arguments->Text("out"), "a=b");
  EXPECT_EQ(arguments->Integer("seed", 0), -3);
  EXPECT_TRUE(arguments->Has("json"));
  EXPECT_THAT(arguments->Numbers("mean"), ElementsAre(0.1, 0.2, 3));
  EXPECT_THAT(arguments->KeyValues("set"), ElementsAre(Pair("k", "v=w")));
  EXPECT_EQ(arguments->Text("state", "otherwise"), "otherwise");
}

TEST(ArgumentsTest, HelpNeedsNothingElse) {
  EXPECT_TRUE(Arguments::Parse(Spec(), {"--help"}).ok());
}

TEST(ArgumentsTest, WhatIsWrongIsNamedInOneLine) {
  EXPECT_THAT(Refusal({"name"}), HasSubstr("--out DIR is missing"));
  EXPECT_THAT(Refusal({"--out=d"}), HasSubstr("NAME is missing"));
  EXPECT_THAT(Refusal({"--uot=d"}), HasSubstr("did you mean --out?"));
  EXPECT_THAT(Refusal({"--out"}), HasSubstr("--out needs a value: DIR"));
  EXPECT_THAT(Refusal({"--json=yes"}), HasSubstr("--json takes no value"));
  EXPECT_THAT(Refusal({"--seed=1.5"}), HasSubstr("\"1.5\" is not an integer"));
  EXPECT_THAT(Refusal({"--priority=4294967297"}), HasSubstr("is not an integer of 32 bits"));
  EXPECT_THAT(Refusal({"--mean=1,,2"}), HasSubstr("--mean"));
  EXPECT_THAT(Refusal({"--set", "=v"}), HasSubstr("key=value"));
  EXPECT_THAT(Refusal({"--seed=1", "--seed=2"}), HasSubstr("given twice"));
  EXPECT_THAT(Refusal({"--state=RUNING"}), HasSubstr("did you mean RUNNING?"));
  EXPECT_THAT(Refusal({"-o", "d"}), HasSubstr("-o"));
}

TEST(ArgumentsTest, MoreThanItTakesIsUnexpected) {
  const ArgumentSpec one = {{{"NAME", "what"}}, {}};
  EXPECT_THAT(std::string(Arguments::Parse(one, {"a", "b"}).status().message()),
              HasSubstr("unexpected argument \"b\""));
  EXPECT_FALSE(Arguments::Parse({}, {"a"}).ok());
}

}  // namespace
}  // namespace acclimate::cli
