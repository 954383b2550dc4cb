// Choice, guard and automatic method as a job sees them.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/io/tensor_file.h"
#include "core/selection/source_record.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
using ::testing::StartsWith;
using testing::TestObserver;
using testing::World;

const World& SelectionVectors() {
  static const auto* const kWorld = new World("selection_job", "mlp", {12});
  return *kWorld;
}

json ReportOf(const RunSpec& spec) {
  return json::parse(ReadText(spec.output_directory + "/report.json"));
}

TEST(SelectionJobTest, EveryScoreIsInTheReport) {
  RunSpec spec = SelectionVectors().Spec("dann");
  spec.hyperparameters["augment"] = "none";  // so few steps on views leave it unsure of itself
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  const json selection = ReportOf(spec)["selection"];
  ASSERT_GE(selection["candidates"].size(), 4u);
  EXPECT_EQ(selection["candidates"][0]["name"], "source");
  EXPECT_EQ(selection["candidates"][1]["name"], "source_with_target_statistics");
  for (const json& candidate : selection["candidates"]) {
    EXPECT_EQ(candidate["scores"].size(), 11u) << candidate;
    EXPECT_EQ(candidate["estimates"].count("cot"), 1u) << candidate;
    EXPECT_GE(candidate["interval"][1], candidate["interval"][0]);
  }
  EXPECT_EQ(selection["guard"]["on"], true);
  for (const char* metric : {"estimated_accuracy", "estimated_accuracy_low",
                             "estimated_accuracy_high", "estimated_source_accuracy"}) {
    EXPECT_EQ(result->metrics.count(metric), 1u) << metric;
  }
  EXPECT_LE(result->metrics.at("estimated_accuracy_low"), result->metrics.at("accuracy"));
  EXPECT_GE(result->metrics.at("estimated_accuracy_high"), result->metrics.at("accuracy"));
}

TEST(SelectionJobTest, ARunThatDestroysTheModelReturnsTheSource) {
  RunSpec spec = SelectionVectors().Spec("dann");
  spec.hyperparameters["learning_rate"] = 3.0;
  TestObserver observer;
  const absl::StatusOr<RunResult> guarded = job::Run(spec, observer);
  ASSERT_TRUE(guarded.ok()) << guarded.status();
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("the source model is returned")));
  EXPECT_EQ(ReportOf(spec)["selection"]["guard"]["held"], false);
  EXPECT_GE(guarded->metrics.at("accuracy"), guarded->metrics.at("source_accuracy"));
  for (const auto& [name, tensor] : ReadTensors(spec.output_directory + "/changed.safetensors")) {
    EXPECT_THAT(name, HasSubstr("running_"));
  }
  spec.hyperparameters["guard"] = std::string("off");
  const absl::StatusOr<RunResult> unguarded = job::Run(spec, observer);
  ASSERT_TRUE(unguarded.ok()) << unguarded.status();
  EXPECT_LT(unguarded->metrics.at("accuracy"), guarded->metrics.at("accuracy"));
}

TEST(SelectionJobTest, LastWeightsOnRequest) {
  RunSpec spec = SelectionVectors().Spec("deep_coral");
  spec.hyperparameters["selection"] = std::string("last");
  TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  const json selection = ReportOf(spec)["selection"];
  EXPECT_EQ(selection["candidates"].size(), 3u);
  EXPECT_EQ(selection["guard"]["adapted"], "step_9");
}

TEST(SelectionJobTest, FinetuneRecordsWhatSourceFreeJobsNeed) {
  const std::string folder = testing::NewFolder("record");
  testing::WriteDomain(folder + "/source.safetensors", testing::MakeDomain(600, {12}, 1));
  RunSpec train = SelectionVectors().Spec("finetune");
  train.target = OpenFile(folder + "/source.safetensors");
  train.hyperparameters["validation_share"] = 0.1;
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  const std::string path = train.output_directory + "/model.safetensors";
  const auto metadata = io::ReadSafetensors(OpenFile(path))->metadata;
  EXPECT_EQ(metadata.at("acclimate.validation_samples"), "60");
  EXPECT_EQ(metadata.count("acclimate.temperature"), 1u);

  RunSpec adapt = SelectionVectors().Spec("shot");
  adapt.checkpoint = OpenFile(path);
  ASSERT_TRUE(job::Run(adapt, observer).ok());
  const json report = ReportOf(adapt);
  EXPECT_EQ(report["selection"]["candidates"][0]["estimates"].count("atc"), 1u);
  // The adapted model is another one: what was measured of its parent is not true of it.
  const auto adapted =
      io::ReadSafetensors(OpenFile(adapt.output_directory + "/model.safetensors"))->metadata;
  EXPECT_EQ(adapted.count("acclimate.temperature"), 0u);
}

json SelectionOf(const RunSpec& spec) {
  TestObserver observer;
  const absl::Status status = job::Run(spec, observer).status();
  EXPECT_TRUE(status.ok()) << status;
  return ReportOf(spec)["selection"];
}

json RuleOf(const json& selection, const std::string& name) {
  for (const json& rule : selection["guard"]["rules"]) {
    if (rule["rule"] == name) return rule;
  }
  return json();
}

// An audit of 60 samples whose truth is what the run of `spec` says of them: `prediction` has it of
// the model that came out, `source_prediction` of the source model.
std::vector<report::AuditLabel> AuditThat(const RunSpec& spec, const std::string& name) {
  const at::Tensor says =
      ReadTensors(spec.output_directory + "/probabilities.safetensors").at(name);
  std::vector<report::AuditLabel> audit;
  for (int64_t i = 60; i > 0; --i) audit.push_back({i, says[i].item<int64_t>()});
  return audit;
}

std::string ModelOf(const RunSpec& spec) {
  return ReadText(spec.output_directory + "/model.safetensors");
}

// SHOT from a checkpoint that records so low an accuracy at home that `own_domain` holds it back.
RunSpec HeldBack() {
  io::TensorFile model =
      *io::ReadSafetensors(OpenFile(SelectionVectors().Path("model.safetensors")));
  selection::SourceRecord record;
  record.accuracy = 0.5;
  record.samples = 100;
  selection::WriteRecord(record, model.metadata);
  const std::string path = testing::NewFolder("recorded") + "/model.safetensors";
  EXPECT_TRUE(io::WriteSafetensors(path, model.tensors, model.metadata).ok());
  RunSpec spec = SelectionVectors().Spec("shot");
  spec.checkpoint = OpenFile(path);
  return spec;
}

TEST(SelectionJobTest, LabelsReturnWhatTheGuardAloneKeepsBack) {
  RunSpec spec = HeldBack();
  const json alone = SelectionOf(spec);
  EXPECT_THAT(std::string(alone["chosen"]), StartsWith("source"));
  EXPECT_EQ(RuleOf(alone, "own_domain")["holds"], false);
  const std::string model = ModelOf(spec);

  spec.hyperparameters["guard"] = std::string("off");
  SelectionOf(spec);
  spec.hyperparameters.erase("guard");
  spec.audit = AuditThat(spec, "prediction");
  // Without the flag they choose nothing.
  EXPECT_EQ(SelectionOf(spec), alone);
  EXPECT_EQ(ModelOf(spec), model);
  EXPECT_EQ(ReportOf(spec)["cost"]["labels"], 0);
  EXPECT_THAT(std::string(ReportOf(spec)["verdict"]), ::testing::Not(HasSubstr("also chose")));

  spec.use_audit = true;
  const json asked = SelectionOf(spec);
  EXPECT_THAT(std::string(asked["chosen"]), StartsWith("step_"));
  EXPECT_EQ(asked["candidates"], alone["candidates"]);
  EXPECT_THAT(std::string(RuleOf(asked, "audit")["says"]),
              HasSubstr("on 60 labelled samples it is right on 60 of them"));
  EXPECT_TRUE(RuleOf(asked, "own_domain").is_null());
  EXPECT_EQ(ReportOf(spec)["cost"]["labels"], 60);
  EXPECT_EQ(ReportOf(spec)["audit"]["returned"]["value"].get<double>() > 0.95, true);
  EXPECT_THAT(std::string(ReportOf(spec)["verdict"]),
              HasSubstr("Labels of an audit also chose what is returned."));
  EXPECT_EQ(json::parse(ReadText(spec.output_directory + "/lineage.json"))["spec"]["use_audit"],
            true);
}

TEST(SelectionJobTest, LabelsKeepBackWhatTheGuardAloneReturns) {
  for (const char* method : {"dann", "auto"}) {
    RunSpec spec = SelectionVectors().Spec(method);
    if (method == std::string("dann")) spec.hyperparameters["augment"] = std::string("none");
    const json alone = SelectionOf(spec);
    ASSERT_THAT(std::string(alone["chosen"]), StartsWith("step_")) << method;
    const std::string model = ModelOf(spec);
    spec.audit = AuditThat(spec, "source_prediction");
    EXPECT_EQ(SelectionOf(spec), alone);
    EXPECT_EQ(ModelOf(spec), model);
    spec.use_audit = true;
    const json asked = SelectionOf(spec);
    EXPECT_EQ(asked["chosen"], "source");
    EXPECT_EQ(asked["guard"]["held"], false);
    EXPECT_EQ(RuleOf(asked, "audit")["holds"], false);
    EXPECT_THAT(std::string(ReportOf(spec)["verdict"]),
                HasSubstr("does not hold against it (on 60 labelled samples it is right on "));
  }
}

TEST(SelectionJobTest, LabelsThatCannotChooseAreRefused) {
  const auto refusal = [](const std::string& method, const std::string& guard, bool audited) {
    RunSpec spec = SelectionVectors().Spec(method);
    if (!guard.empty()) spec.hyperparameters["guard"] = guard;
    if (audited) spec.audit = {{4, 0}};
    spec.use_audit = true;
    TestObserver observer;
    return std::string(job::Run(spec, observer).status().message());
  };
  EXPECT_EQ(refusal("shot", "", false), "use_audit: there is no audit to use");
  EXPECT_EQ(refusal("lame", "", true), "use_audit: lame has no guard that could ask it");
  EXPECT_EQ(refusal("shot", "off", true), "use_audit: the guard, which would ask it, is off");

  const std::string folder = testing::NewFolder("nine");
  testing::WriteDomain(folder + "/target.safetensors",
                       {testing::MakeDomain(9, {12}, 2).inputs, {}});
  RunSpec few = SelectionVectors().Spec("auto");
  few.target = OpenFile(folder + "/target.safetensors");
  few.audit = {{4, 0}};
  few.use_audit = true;
  TestObserver observer;
  EXPECT_EQ(job::Run(few, observer).status().message(),
            "use_audit: nothing is chosen by 9 target samples, under 16");
}

TEST(SelectionJobTest, OfTooFewSamplesTheSourceModelIsReturnedUnlessTheGuardIsOff) {
  const std::string folder = testing::NewFolder("few");
  testing::WriteDomain(folder + "/target.safetensors",
                       {testing::MakeDomain(9, {12}, 2).inputs, {}});
  for (const char* method : {"adabn", "tent", "shot", "dann"}) {
    RunSpec spec = SelectionVectors().Spec(method);
    spec.target = OpenFile(folder + "/target.safetensors");
    TestObserver observer;
    absl::StatusOr<RunResult> result = job::Run(spec, observer);
    ASSERT_TRUE(result.ok()) << method << ": " << result.status();
    EXPECT_THAT(observer.warnings, Contains(HasSubstr("which is returned; guard=off")));
    const json report = ReportOf(spec);
    EXPECT_EQ(report["selection"]["guard"]["held"], false);
    EXPECT_THAT(std::string(report["verdict"]),
                StartsWith("The source model is returned: nothing can be judged by 9 target "
                           "samples, under 16."));
    EXPECT_EQ(result->metrics.at("accuracy"), result->metrics.at("source_accuracy"));
    EXPECT_TRUE(ReadTensors(spec.output_directory + "/changed.safetensors").empty());

    spec.hyperparameters["guard"] = std::string("off");
    result = job::Run(spec, observer);
    ASSERT_TRUE(result.ok()) << method << ": " << result.status();
    EXPECT_FALSE(ReadTensors(spec.output_directory + "/changed.safetensors").empty()) << method;
  }
}

TEST(SelectionJobTest, AutoDropsWhatCannotWorkAndRacesTheRest) {
  RunSpec spec = SelectionVectors().Spec("auto");
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  const json report = ReportOf(spec);
  ASSERT_EQ(report["race"]["dropped"].size(), 1u);
  EXPECT_EQ(report["race"]["dropped"][0]["method"], "label_shift");
  EXPECT_THAT(std::string(report["race"]["dropped"][0]["reason"]), HasSubstr("the looks moved"));
  EXPECT_EQ(report["diagnosis"]["verdict"]["kinds"][0], "covariate");
  EXPECT_EQ(report["race"]["cut_short"], false);
  EXPECT_GE(report["race"]["rounds"].size(), 1u);
  EXPECT_EQ(report["race"]["teachers"][0], report["race"]["winner"]);
  EXPECT_TRUE(report["selection"]["chosen"].is_string());
  EXPECT_GE(result->metrics.at("accuracy"), result->metrics.at("source_accuracy"));

  spec = SelectionVectors().Spec("auto");
  spec.sources.clear();
  ASSERT_TRUE(job::Run(spec, observer).ok());
  const json source_free = ReportOf(spec);
  for (const json& dropped : source_free["race"]["dropped"]) {
    EXPECT_EQ(dropped["reason"], "it needs labelled source data");
  }
  EXPECT_FALSE(source_free["race"]["dropped"].empty());
  EXPECT_EQ(source_free["race"]["teachers"].size(), 2u);
  EXPECT_THAT(std::string(source_free["race"]["why"]), HasSubstr("learnt the mean of"));
}

// A test that finds no shift proves nothing: the race is run, and harms nothing.
TEST(SelectionJobTest, AutoDoesNotHarmAModelThatFits) {
  RunSpec spec = SelectionVectors().Spec("auto");
  spec.target = OpenFile(SelectionVectors().Path("source.safetensors"));
  spec.evaluation = spec.target;
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(ReportOf(spec)["race"]["rounds"].empty());
  EXPECT_GE(result->metrics.at("accuracy"), result->metrics.at("source_accuracy") - 0.01);
}

TEST(SelectionJobTest, AutoEndsWithinItsTimeLimit) {
  RunSpec spec = SelectionVectors().Spec("auto");
  spec.time_limit_seconds = 1e-6;
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReportOf(spec)["race"]["cut_short"], true);
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("cut the race or its student short")));
}

TEST(SelectionJobTest, AutoWithAHandfulOfSamplesReturnsTheSource) {
  const std::string folder = testing::NewFolder("few");
  testing::WriteDomain(folder + "/target.safetensors",
                       {testing::Shifted(testing::MakeDomain(9, {12}, 2)).inputs, {}});
  RunSpec spec = SelectionVectors().Spec("auto");
  spec.target = OpenFile(folder + "/target.safetensors");
  TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  EXPECT_TRUE(ReadTensors(spec.output_directory + "/changed.safetensors").empty());
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("the source model is returned")));
}

}  // namespace
}  // namespace acclimate::job
