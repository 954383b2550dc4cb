#include "core/report/verdict.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate::report {
namespace {

using nlohmann::json;

json Measured() {
  return json::parse(R"({
    "method": "shot",
    "source_only": {"accuracy": 0.5, "confusion_matrix": [[1, 1], [1, 1]]},
    "adapted": {"accuracy": 0.75, "confusion_matrix": [[2, 0], [1, 1]]},
    "metrics": {"estimated_source_accuracy": 0.6, "estimated_accuracy": 0.8,
                "estimated_accuracy_low": 0.7, "estimated_accuracy_high": 0.9}})");
}

TEST(VerdictTest, MeasuredAccuracyComesBeforeTheEstimate) {
  json report = Measured();
  EXPECT_EQ(Verdict(report),
            "shot raised the accuracy from 50.0 % to 75.0 %, measured on 4 labelled samples.");
  report["source_only"]["accuracy"] = 0.8;
  EXPECT_EQ(Verdict(report),
            "shot lowered the accuracy from 80.0 % to 75.0 %, measured on 4 labelled samples.");
  report["source_only"]["accuracy"] = 0.75;
  EXPECT_EQ(Verdict(report), "shot left the accuracy at 75.0 %, measured on 4 labelled samples.");
  report.erase("source_only");
  EXPECT_EQ(Verdict(report), "shot made a model that is right on 75.0 % of 4 labelled samples.");
}

TEST(VerdictTest, WithoutLabelsTheEstimate) {
  json report = Measured();
  report.erase("source_only");
  report.erase("adapted");
  report["race"] = {{"winner", "shot"}};
  report["method"] = "auto";
  EXPECT_EQ(Verdict(report),
            "auto, by shot, ran to its end: estimated accuracy 60.0 % before, 80.0 % after (90 % "
            "interval 70.0 % to 90.0 %); not measured.");
}

TEST(VerdictTest, AModelThatAgreesWithItsSourceOnLessThanHalfIsNotEstimated) {
  json report = Measured();
  report.erase("source_only");
  report.erase("adapted");
  report["selection"]["guard"] = {{"on", true}, {"held", true}, {"agreement", 0.39}};
  EXPECT_EQ(Verdict(report),
            "shot changed the prediction for 61.0 % of the target's samples: whether that is a "
            "gain cannot be known without labels.");
  report["selection"]["guard"]["agreement"] = 0.5;
  EXPECT_NE(Verdict(report).find("estimated accuracy"), std::string::npos);
}

TEST(VerdictTest, WhatIsReturnedHasItsNameAndItsAccuracy) {
  json report = Measured();
  report["selection"] = {{"chosen", "source_with_target_statistics"},
                         {"guard", {{"on", true}, {"held", false}, {"reason", "it collapsed"}}}};
  EXPECT_EQ(Verdict(report),
            "The source model with the target's batch-norm statistics is returned: the adapted one "
            "does not hold against it (it collapsed). It is right on 75.0 % of 4 labelled samples "
            "(as it came: 50.0 %).");
}

TEST(VerdictTest, AReturnedSourceModelIsSaidFirst) {
  json report = Measured();  // its two accuracies differ, as with the target's statistics
  report["selection"]["guard"] = {{"on", true}, {"held", false}, {"reason", "it collapsed"}};
  EXPECT_EQ(Verdict(report),
            "The source model is returned: the adapted one does not hold against it (it "
            "collapsed). It is right on 75.0 % of 4 labelled samples (as it came: 50.0 %).");
  report["selection"]["guard"]["on"] = false;
  EXPECT_NE(Verdict(report).find("raised"), std::string::npos);
  report["race"] = {{"winner", nullptr}, {"why", "every method diverged"}};
  EXPECT_EQ(Verdict(report),
            "The source model is returned: every method diverged. It is right on 75.0 % of 4 "
            "labelled samples (as it came: 50.0 %).");
}

TEST(VerdictTest, OfMethodsThatChangeNothing) {
  EXPECT_EQ(Verdict(json::parse(R"({"method": "evaluate", "accuracy": 0.9,
                                    "confusion_matrix": [[9, 1], [0, 0]]})")),
            "The model is right on 90.0 % of 10 labelled samples.");
  json report = Measured();
  report["diagnosis"]["verdict"]["sentence"] = "Nothing moved.";
  EXPECT_EQ(Verdict(report), "Nothing moved.");
}

TEST(VerdictTest, OfAMethodThatKeptLabelledSamplesFromTraining) {
  json report = {{"method", "finetune"},
                 {"metrics", {{"validation_accuracy", 0.97}}},
                 {"finetune", {{"validation_samples", 200}}}};
  EXPECT_EQ(Verdict(report),
            "finetune made a model that is right on 97.0 % of 200 labelled samples of the target "
            "that were kept from training.");
  report["finetune"]["validation_samples"] = nullptr;
  EXPECT_NE(Verdict(report).find("ran to its end"), std::string::npos);
}

TEST(VerdictTest, SaysWhenThereIsNothingToSay) {
  EXPECT_EQ(Verdict({{"method", "tent"}, {"metrics", {{"estimated_accuracy", nullptr}}}}),
            "tent ran to its end; without labels or an estimate nothing says how good the result "
            "is.");
}

}  // namespace
}  // namespace acclimate::report
