// The method `distill` as a user runs it.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/job/run.h"
#include "core/model/architectures.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::MakeDomain;
using testing::NewFolder;
using testing::OpenFile;
using testing::ReadText;
using testing::TestObserver;
using testing::World;
using testing::WriteDomain;

const World& Vectors() {
  static const auto* const kWorld = new World("distill_test", "mlp", {12});
  return *kWorld;
}

// A fresh student of the shifted domain, whose teacher knows only what the domain was before.
RunSpec FreshSpec() {
  RunSpec spec = Vectors().Spec("distill");
  spec.checkpoint = nullptr;
  spec.architecture = "mlp";
  const std::string path = NewFolder("teacher_inputs") + "/inputs.safetensors";
  WriteDomain(path, {MakeDomain(90, {12}, 2).inputs, {}});
  spec.inputs = {{"teacher", OpenFile(Vectors().Path("model.safetensors"))},
                 {"teacher_inputs", OpenFile(path)}};
  spec.hyperparameters["steps"] = int64_t{60};
  return spec;
}

absl::StatusOr<RunResult> RunIt(const RunSpec& spec) {
  TestObserver observer;
  return job::Run(spec, observer);
}

json ReportOf(const RunSpec& spec) {
  return json::parse(ReadText(spec.output_directory + "/report.json"));
}

std::string Reason(const RunSpec& spec) {
  const absl::Status status = RunIt(spec).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(DistillTest, AFreshStudentOfAnotherModalityLearnsWithoutLabels) {
  const RunSpec spec = FreshSpec();
  TestObserver observer;
  const auto result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), 0.9);
  EXPECT_GT(result->metrics.at("teacher_agreement"), 0.9);
  EXPECT_THAT(observer.warnings, ::testing::ElementsAre(HasSubstr("attention stage was left out")));
  const json report = ReportOf(spec);
  EXPECT_EQ(report["distillation"]["alignment_steps"], 6);
  EXPECT_EQ(report["distillation"]["attention_steps"], 0);
  EXPECT_EQ(report["distillation"]["prediction_steps"], 54);
  EXPECT_EQ(report["curves"]["loss/alignment"]["step"].size(), 6u);
  EXPECT_EQ(report["curves"]["loss/prediction"]["step"].size(), 54u);
}

TEST(DistillTest, ATeacherWithoutInputsReadsTheTargetInItsOwnNormalisation) {
  RunSpec train = Vectors().Spec("finetune");
  train.normalization.mean = {8.0};
  train.normalization.std = {1.5};
  train.hyperparameters["epochs"] = int64_t{10};
  ASSERT_TRUE(RunIt(train).ok());
  RunSpec spec = FreshSpec();
  spec.inputs = {{"teacher", OpenFile(train.output_directory + "/model.safetensors")}};
  const auto result = RunIt(spec);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), 0.9);
}

TEST(DistillTest, LabelledSamplesCount) {
  // A teacher that is not listened to: only the labels teach.
  RunSpec spec = FreshSpec();
  spec.inputs["labelled"] = OpenFile(Vectors().Path("labelled_target.safetensors"));
  spec.hyperparameters["distillation_weight"] = 0.0;
  spec.hyperparameters["alignment_share"] = 0.0;
  const std::string path = NewFolder("teacher_inputs") + "/inputs.safetensors";
  WriteDomain(path, {MakeDomain(90, {12}, 2).inputs.flip(0), {}});
  spec.inputs["teacher_inputs"] = OpenFile(path);
  const auto result = RunIt(spec);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), 0.9);
  EXPECT_EQ(ReportOf(spec)["curves"]["loss/labelled"]["step"].size(), 60u);
}

TEST(DistillTest, AttentionIsComparedLevelByLevelAcrossArchitecturesAndSizes) {
  const std::string folder = NewFolder("distill_images");
  at::manual_seed(1);
  const auto teacher = model::BuildArchitecture({"resnet18", {3, 32, 32}, 3}).value();
  ASSERT_TRUE(teacher->Save(folder + "/teacher.safetensors").ok());
  const at::Tensor colour = MakeDomain(24, {3, 32, 32}, 1).inputs;
  WriteDomain(folder + "/colour.safetensors", {colour, {}});
  WriteDomain(folder + "/grey.safetensors", {colour.mean(1, true), {}});
  RunSpec spec = FreshSpec();
  spec.architecture = "dtn";
  spec.hyperparameters["steps"] = int64_t{10};
  spec.target = OpenFile(folder + "/grey.safetensors");
  spec.evaluation = nullptr;
  spec.inputs = {{"teacher", OpenFile(folder + "/teacher.safetensors")},
                 {"teacher_inputs", OpenFile(folder + "/colour.safetensors")}};
  const auto result = RunIt(spec);
  ASSERT_TRUE(result.ok()) << result.status();
  const json report = ReportOf(spec);
  EXPECT_EQ(report["distillation"]["attention_steps"], 2);
  EXPECT_EQ(report["distillation"]["attention_levels"].size(), 2u);
  EXPECT_EQ(report["curves"]["loss/attention"]["step"], json({2, 3}));
  EXPECT_EQ(report["warnings"], json::array());
}

TEST(DistillTest, SaysWhatDoesNotFit) {
  RunSpec spec = FreshSpec();
  spec.inputs["teacher_inputs"] = OpenFile(Vectors().Path("source.safetensors"));
  EXPECT_EQ(Reason(spec),
            "inputs[\"teacher_inputs\"]: has 96 samples, the target 90; sample i of both must show "
            "the same thing");
  spec = FreshSpec();
  spec.num_classes = 4;
  EXPECT_EQ(Reason(spec), "inputs[\"teacher\"]: has 3 classes, the student 4");
  spec = FreshSpec();
  spec.inputs.erase("teacher");
  EXPECT_THAT(Reason(spec), HasSubstr("inputs[\"teacher\"]: method distill needs \"teacher\""));
  spec = FreshSpec();
  spec.hyperparameters["alignment_share"] = 0.9;
  spec.hyperparameters["attention_share"] = 0.1;
  EXPECT_THAT(Reason(spec), HasSubstr("must leave steps for the predictions"));
  const std::string path = NewFolder("labelled") + "/labelled.safetensors";
  testing::Domain few = MakeDomain(5, {12}, 4);
  few.labels[2] = 3;
  WriteDomain(path, few);
  spec = FreshSpec();
  spec.inputs["labelled"] = OpenFile(path);
  EXPECT_EQ(Reason(spec), "inputs[\"labelled\"]: has a label 3, the student has 3 classes");
}

}  // namespace
}  // namespace acclimate::job
