#include "core/methods/needs.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::methods {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

MethodSpec Taught() {
  MethodSpec spec;
  spec.name = "taught";
  spec.source = DataNeed::kRequired;
  spec.inputs = {{"teacher", InputSpec::Kind::kModel, DataNeed::kRequired, "who knows"},
                 {"memory", InputSpec::Kind::kFile, DataNeed::kOptional, "what was"}};
  return spec;
}

std::vector<std::string> Descriptions(const MethodSpec& method, const Given& given) {
  std::vector<std::string> descriptions;
  for (const NeedProblem& problem : CheckNeeds(method, given)) {
    descriptions.push_back((problem.superfluous ? "superfluous: " : "") + problem.description);
  }
  return descriptions;
}

TEST(NeedsTest, NothingIsSaidOfARunThatHasAll) {
  EXPECT_THAT(Descriptions(Taught(), {true, false, true, true, {"teacher"}}), IsEmpty());
  EXPECT_THAT(Descriptions(Taught(), {true, false, true, true, {"teacher", "memory"}}), IsEmpty());
}

TEST(NeedsTest, EverythingThatIsMissingIsNamed) {
  EXPECT_THAT(Descriptions(Taught(), {}), ElementsAre("method taught needs labelled source data",
                                                      "method taught needs target data",
                                                      "method taught needs \"teacher\": who knows",
                                                      "method taught needs a checkpoint"));
  MethodSpec supervised = Taught();
  supervised.target_labels = DataNeed::kRequired;
  supervised.checkpoint = DataNeed::kOptional;
  EXPECT_THAT(Descriptions(supervised, {false, false, true, false, {"teacher"}}),
              ElementsAre("method taught needs labelled target data",
                          "method taught needs a checkpoint or a built-in architecture"));
  EXPECT_THAT(Descriptions(supervised, {false, true, true, true, {"teacher"}}), IsEmpty());
}

TEST(NeedsTest, WhatIsNotTakenIsNamed) {
  MethodSpec alone = Taught();
  alone.source = DataNeed::kNone;
  EXPECT_THAT(Descriptions(alone, {true, false, true, true, {"teacher", "pupil"}}),
              ElementsAre("superfluous: method taught takes no labelled source data",
                          "method taught takes no input \"pupil\""));
}

}  // namespace
}  // namespace acclimate::methods
