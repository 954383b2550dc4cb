// In which precision a job runs: as asked, as the method says, as the state says, as the model
// allows.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/io/tensor_file.h"
#include "core/job/run.h"
#include "core/runtime/precision.h"
#include "core/train/training_state.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::NewFolder;
using ::testing::Not;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
using testing::TestObserver;
using testing::World;

constexpr char kStateFile[] = "/training_state.safetensors";

// Large enough for `auto` to take bf16.
const World& LargeMaps() {
  static const auto* const kWorld = new World("large_precision_job_test", "lenet", {1, 64, 64});
  return *kWorld;
}

const World& Maps() {
  static const auto* const kWorld = new World("precision_job_test", "dtn", {1, 8, 8});
  return *kWorld;
}

// What `auto` is on this machine.
std::string Fastest() {
  return runtime::PrecisionName(
      runtime::ResolvePrecision("auto", at::kCPU, runtime::CpuHasBf16())->type);
}

std::string PrecisionOf(const RunSpec& spec) {
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? result->precision : "";
}

absl::Status StatusOf(const RunSpec& spec) {
  TestObserver observer;
  return job::Run(spec, observer).status();
}

TEST(JobPrecisionTest, IsRecordedEverywhereAndTheWeightsAreFloat) {
  RunSpec spec = Maps().Spec("shot");
  spec.precision = "bf16";
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->precision, "bf16");
  for (const char* file : {"/report.json", "/lineage.json"}) {
    EXPECT_EQ(json::parse(ReadText(spec.output_directory + file))["precision"], "bf16") << file;
  }
  for (const auto& [name, tensor] : ReadTensors(spec.output_directory + "/model.safetensors")) {
    EXPECT_TRUE(!tensor.is_floating_point() || tensor.scalar_type() == at::kFloat) << name;
  }
  if (!runtime::CpuHasBf16()) {
    EXPECT_THAT(observer.warnings,
                Contains("precision: bf16 is slower than fp32 here: the processor has neither "
                         "avx512_bf16 nor amx_bf16"));
  }
  EXPECT_GT(result->metrics.at("accuracy"), 0.8);
}

TEST(JobPrecisionTest, EveryMethodRunsInIt) {
  for (const methods::MethodSpec& method : Catalog()) {
    if (method.needs_vectors) continue;
    SCOPED_TRACE(method.name);
    RunSpec spec = Maps().Spec(method.name);
    spec.precision = "bf16";
    EXPECT_EQ(PrecisionOf(spec), "bf16");
  }
}

TEST(JobPrecisionTest, AutoIsTheFastestOfTheDeviceForTheMaps) {
  EXPECT_EQ(PrecisionOf(LargeMaps().Spec("finetune")), Fastest());
  EXPECT_EQ(PrecisionOf(Maps().Spec("tent")), "fp32");
}

TEST(JobPrecisionTest, AutoIsFloatWhereTheMethodMeasuresOrTakesSecondDerivatives) {
  std::vector<std::string> full;
  for (const methods::MethodSpec& method : Catalog()) {
    if (method.full_precision) full.push_back(method.name);
  }
  EXPECT_THAT(full, ::testing::ElementsAre("adabn", "adapt_few_shot", "concept_shift", "diagnose",
                                           "evaluate", "label_shift", "lame", "maml"));
  RunSpec spec = Maps().Spec("evaluate");
  EXPECT_EQ(PrecisionOf(spec), "fp32");
  spec.precision = "bf16";
  EXPECT_EQ(PrecisionOf(spec), "bf16");
}

TEST(JobPrecisionTest, HalfOnTheCpuIsRefused) {
  RunSpec spec = Maps().Spec("tent");
  spec.precision = "fp16";
  spec.device = "cpu";
  const absl::Status status = StatusOf(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "precision: fp16 is for CUDA devices and the run is on the CPU, which takes auto, fp32 "
            "or bf16");
}

TEST(JobPrecisionTest, AnUnknownWordIsRefused) {
  RunSpec spec = Maps().Spec("tent");
  spec.precision = "int8";
  const absl::Status status = StatusOf(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "precision: \"int8\" is none of auto, fp32, bf16, fp16");
}

class ResumedPrecisionTest : public ::testing::Test {
 protected:
  // A run in `precision`, paused at its third question.
  ResumedPrecisionTest() : spec_(Maps().Spec("tent")) {}
  void Pause(const std::string& precision) {
    spec_.precision = precision;
    TestObserver observer(3, Directive::kPause);
    const absl::StatusOr<RunResult> result = job::Run(spec_, observer);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->outcome, RunResult::Outcome::kPaused);
    spec_.resume_state = OpenFile(spec_.output_directory + kStateFile);
  }

  RunSpec spec_;
};

TEST_F(ResumedPrecisionTest, AutoGoesOnInTheStates) {
  for (const std::string precision : {"bf16", "fp32"}) {
    spec_.resume_state = nullptr;
    Pause(precision);
    spec_.precision = "auto";
    EXPECT_EQ(PrecisionOf(spec_), precision);
  }
}

TEST_F(ResumedPrecisionTest, AnotherThanTheStatesIsRefused) {
  Pause("bf16");
  spec_.precision = "fp32";
  const absl::Status status = StatusOf(spec_);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "resume_state: is of another run: its precision is bf16, not fp32");
}

TEST_F(ResumedPrecisionTest, WhatTheMachineDoesNotDoIsRefused) {
  Pause("fp32");
  const std::string path = spec_.output_directory + "/of_a_gpu.safetensors";
  auto state = train::ReadTrainingState(spec_.resume_state);
  ASSERT_TRUE(state.ok()) << state.status();
  state->notes["precision"] = "fp16";
  ASSERT_TRUE(train::WriteTrainingState(path, *state).ok());
  spec_.resume_state = OpenFile(path);
  spec_.precision = "auto";
  spec_.device = "cpu";
  const absl::Status status = StatusOf(spec_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("resume_state: fp16 is for CUDA devices"));
}

TEST_F(ResumedPrecisionTest, AStateOfBeforeTheChoiceIsOfFloat) {
  Pause("fp32");
  const std::string path = spec_.output_directory + "/old.safetensors";
  auto state = train::ReadTrainingState(spec_.resume_state);
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_EQ(state->notes.erase("precision"), 1u);
  ASSERT_TRUE(train::WriteTrainingState(path, *state).ok());
  spec_.resume_state = OpenFile(path);
  spec_.precision = "auto";
  EXPECT_EQ(PrecisionOf(spec_), "fp32");
}

// index_add() takes no two types, and autocast lets it be.
TEST(JobPrecisionTest, AModelThatDoesNotRunInItIsRefused) {
  torch::jit::Module module("Mixed");
  module.register_parameter("first", at::randn({64, 64}) / 8, false);
  module.register_parameter("head", at::randn({64, 3}) / 8, false);
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define(R"(
def forward(self, x):
  x = torch.flatten(x[:, :, ::8, ::8], 1)
  hidden = torch.matmul(x, self.first)
  hidden = torch.index_add(hidden, 0, torch.arange(x.size(0)), x)
  return torch.matmul(torch.relu(hidden), self.head)
)");
  RunSpec spec = LargeMaps().Spec("shot");
  const std::string path = spec.output_directory + "/mixed.pt";
  module.save(path);
  spec.checkpoint = OpenFile(path);
  spec.precision = "bf16";
  const absl::Status status = StatusOf(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("precision: the model does not run in bf16: "));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
  spec.precision = "auto";
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->precision, "fp32");
  if (runtime::CpuHasBf16()) {
    EXPECT_THAT(observer.warnings, Contains(HasSubstr("fp32 is taken")));
  } else {
    EXPECT_THAT(observer.warnings, Each(Not(HasSubstr("precision"))));
  }
}

}  // namespace
}  // namespace acclimate::job
