// Choice, guard and automatic method as a job sees them.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/io/tensor_file.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
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
