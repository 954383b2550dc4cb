#include "core/report/verdict.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate::report {
namespace {

using nlohmann::json;

json Measured() {
  return json::parse(R"({
    "method": "shot", "samples": {"source": 100, "target": 100},
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

TEST(VerdictTest, WhereNothingOfHomeWasSeenThereIsNoNumber) {
  json report = Measured();
  report.erase("source_only");
  report.erase("adapted");
  report["samples"].erase("source");
  EXPECT_EQ(
      Verdict(report),
      "shot ran to its end; how good the result is cannot be known: there was no source data, "
      "and the checkpoint has no record of what it had right in its own domain. A few labels "
      "would tell: see `acclimate audit`.");
  report["source_record"] = {{"accuracy", 0.9}};
  EXPECT_NE(Verdict(report).find("estimated accuracy 60.0 %"), std::string::npos);
  // What was measured is known all the same.
  report = Measured();
  report["samples"].erase("source");
  EXPECT_NE(Verdict(report).find("raised"), std::string::npos);
}

json AuditOf(double before, double after, double low, double high) {
  const auto interval = [](double value, double from, double to) {
    return json{{"value", value}, {"low", from}, {"high", to}};
  };
  return {{"labels", 100},
          {"population", 2000},
          {"source", interval(before, before - 0.08, before + 0.08)},
          {"returned", interval(after, after - 0.06, after + 0.06)},
          {"gain", interval(after - before, low, high)}};
}

TEST(VerdictTest, AnAuditSaysWhetherTheGainIsReal) {
  json report = Measured();
  report.erase("source_only");
  report.erase("adapted");
  report["samples"].erase("source");
  report["audit"] = AuditOf(0.62, 0.81, 0.112, 0.268);
  EXPECT_EQ(Verdict(report),
            "shot ran to its end. An audit of 100 labelled samples: 62.0 % (54.0 % to 70.0 %) "
            "before, 81.0 % (75.0 % to 87.0 %) after; the gain of 19.0 points (11.2 to 26.8) is "
            "real.");
  report["audit"] = AuditOf(0.8, 0.7, -0.15, -0.05);
  EXPECT_NE(Verdict(report).find("the loss is real: -10.0 points (-15.0 to -5.0)."),
            std::string::npos);
  report["audit"] = AuditOf(0.8, 0.82, -0.01, 0.05);
  EXPECT_NE(Verdict(report).find("do not tell whether the difference of 2.0 points (-1.0 to 5.0)"),
            std::string::npos);
  report["audit"] = AuditOf(0.8, 0.8, 0, 0);
  EXPECT_NE(Verdict(report).find("after; both say the same of every sample."), std::string::npos);
  report["audit"].erase("source");
  report["audit"].erase("gain");
  EXPECT_EQ(Verdict(report),
            "shot ran to its end. An audit of 100 labelled samples: the model is right on 80.0 % "
            "(74.0 % to 86.0 %).");
}

TEST(VerdictTest, AnAuditStandsBesideWhatIsReturnedAndMeasured) {
  json report = Measured();
  report["audit"] = AuditOf(0.62, 0.81, 0.112, 0.268);
  EXPECT_EQ(Verdict(report).find("shot raised the accuracy from 50.0 % to 75.0 %, measured on 4 "
                                 "labelled samples. An audit of 100 labelled samples: 62.0 %"),
            0u);
  report["selection"]["guard"] = {{"on", true}, {"held", false}, {"reason", "it collapsed"}};
  EXPECT_NE(Verdict(report).find("(as it came: 50.0 %). An audit of 100"), std::string::npos);
}

TEST(VerdictTest, SaysThatLabelsOfAnAuditAlsoChose) {
  const std::string chose = " Labels of an audit also chose what is returned.";
  json report = Measured();
  report["audit"] = AuditOf(0.62, 0.81, 0.112, 0.268);
  report["selection"]["guard"] = {
      {"on", true}, {"held", true}, {"rules", {{{"rule", "collapse"}}, {{"rule", "audit"}}}}};
  EXPECT_NE(Verdict(report).find("points (11.2 to 26.8) is real." + chose), std::string::npos);
  report["selection"]["guard"]["rules"].erase(1);
  EXPECT_EQ(Verdict(report).find(chose), std::string::npos);
  report["selection"]["guard"]["rules"] = {{{"rule", "audit"}}};
  report["selection"]["guard"]["on"] = false;
  EXPECT_EQ(Verdict(report).find(chose), std::string::npos);
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
  // A reason that is a sentence already ends it once.
  report["race"]["why"] = "no method fits: mcc needs a source.";
  EXPECT_EQ(Verdict(report).find(".."), std::string::npos);
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
