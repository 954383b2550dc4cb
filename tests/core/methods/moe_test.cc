#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/model/checkpoint.h"
#include "tests/core/job/synthetic.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using nlohmann::json;
using testing::Blobs;
using testing::Changed;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::OfTheBatch;
using testing::ReferenceMlp;
using testing::Scene;
using testing::Snapshot;
using ::testing::StartsWith;

constexpr int64_t kBatch = 16;
constexpr double kFarOffset = 6.0;

// Blobs at an offset of their own; where `relabelled`, every class goes by another's name.
data::Dataset Source(uint64_t seed, double offset, bool relabelled) {
  const data::Dataset blobs = Blobs(60, {6}, seed, 1.0, offset);
  const at::Tensor labels = (blobs.labels() + (relabelled ? 1 : 0)).remainder(testing::kClasses);
  return data::Dataset::FromTensors(blobs.stored_inputs(), labels, "source").value();
}

json ReportOf(const train::Task& task) {
  json report;
  task.Report(report);
  return report.at("moe");
}

at::Tensor Logits(model::Model& model, const at::Tensor& inputs) {
  const at::NoGradGuard no_grad;
  return model.Forward(inputs, model::Mode::kEvaluation).logits;
}

class MoeTest : public ::testing::Test {
 protected:
  MoeTest() {
    at::manual_seed(5);
    scene_.sources = {Source(1, 0.0, false), Source(3, kFarOffset, true)};
  }

  std::unique_ptr<train::Task> Task(int64_t steps, bool target_statistics) {
    return scene_.Task(
        "moe",
        {{"steps", steps}, {"batch_size", kBatch}, {"target_statistics", target_statistics}});
  }

  train::StepInput Input() const {
    const data::Batch first = scene_.sources[0].Slice(0, 9, at::kCPU);
    const data::Batch second = scene_.sources[1].Slice(0, 6, at::kCPU);
    train::StepInput input;
    input.source = {at::cat({first.inputs, second.inputs}), at::cat({first.labels, second.labels})};
    input.source_counts = {9, 6};
    return input;
  }

  Scene scene_;
};

double MeanCrossEntropy(const at::Tensor& logits, const at::Tensor& labels) {
  double sum = 0;
  for (int64_t i = 0; i < labels.size(0); ++i) {
    sum -= logits[i].log_softmax(0)[labels[i].item<int64_t>()].item<double>();
  }
  return sum / static_cast<double>(labels.size(0));
}

// Every expert begins as the model's own classifier, so that all losses follow from the model's.
TEST_F(MoeTest, PartsEqualTheirDefinitionEachSourceByItself) {
  const train::StepInput input = Input();
  const ReferenceMlp reference(*scene_.model);
  const auto logits = [&](int64_t begin, int64_t count) {
    return reference.Forward(input.source.inputs.narrow(0, begin, count), OfTheBatch).logits;
  };
  const at::Tensor first = logits(0, 9), second = logits(9, 6);
  const at::Tensor& labels = input.source.labels;
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const auto output = Task(9, /*target_statistics=*/true)->Step(input, stop);
  ASSERT_TRUE(output.ok()) << output.status();
  const auto part = [&](const char* name) { return output->parts.at(name).item<double>(); };
  const double experts = 0.5 * (MeanCrossEntropy(first, labels.narrow(0, 0, 9)) +
                                MeanCrossEntropy(second, labels.narrow(0, 9, 6)));
  EXPECT_NEAR(part("experts"), experts, 1e-4);
  EXPECT_NEAR(part("mixture"), MeanCrossEntropy(at::cat({first, second}), labels), 1e-4);
  EXPECT_NEAR(part("balance"), 1.0, 1e-6);  // a gate that is open to all alike
  EXPECT_NEAR(output->loss.item<double>(),
              part("experts") + part("mixture") + 0.01 * part("balance"), 1e-5);
}

TEST_F(MoeTest, SourcesShareTheirStatisticsWhereToldTo) {
  const train::StepInput input = Input();
  const at::Tensor logits =
      ReferenceMlp(*scene_.model).Forward(input.source.inputs, OfTheBatch).logits;
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const auto output = Task(9, /*target_statistics=*/false)->Step(input, stop);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_NEAR(output->parts.at("mixture").item<double>(),
              MeanCrossEntropy(logits, input.source.labels), 1e-4);
}

// The two sources contradict each other: only the expert of the near one is right on the target.
TEST_F(MoeTest, TheGatePrefersTheExpertOfTheNearSource) {
  for (const size_t near : {size_t{0}, size_t{1}}) {
    SCOPED_TRACE(near);
    scene_.target = Source(7, near == 0 ? 0.0 : kFarOffset, near == 1);
    const auto task = Task(300, /*target_statistics=*/false);
    ASSERT_TRUE(scene_.Train(*task).ok());
    const auto weights = ReportOf(*task).at("source_weights").get<std::vector<double>>();
    const auto firsts = ReportOf(*task).at("first_choices").get<std::vector<double>>();
    ASSERT_EQ(weights.size(), 2u);
    EXPECT_NEAR(weights[0] + weights[1], 1, 1e-6);
    EXPECT_NEAR(firsts[0] + firsts[1], 1, 1e-9);
    EXPECT_GT(weights[near], 0.6);
    EXPECT_EQ(task->Metrics().at("source_weight/" + std::to_string(near)), weights[near]);
    const at::Tensor predicted = Logits(*task->TakeModel(), scene_.TargetInputs()).argmax(1);
    EXPECT_GT(predicted.eq(scene_.target.labels()).to(at::kFloat).mean().item<float>(), 0.9);
  }
}

TEST_F(MoeTest, TheRunsModelStaysAndTheMixtureHasTheTargetsStatistics) {
  const auto before = Snapshot(*scene_.model);
  const auto task = Task(9, /*target_statistics=*/true);
  ASSERT_TRUE(scene_.Train(*task).ok());
  EXPECT_THAT(Changed(*scene_.model, before), IsEmpty());
  testing::ExpectStatisticsOf(*task->TakeModel(), scene_.TargetInputs());
}

TEST_F(MoeTest, TheSavedModelPredictsWhatTheTasksDid) {
  const auto task = Task(20, /*target_statistics=*/true);
  ASSERT_TRUE(scene_.Train(*task).ok());
  const std::unique_ptr<model::Model> mixture = task->TakeModel();
  const std::string path = testing::NewFolder("moe") + "/model.pt";
  ASSERT_TRUE(mixture->Save(path).ok());
  const auto loaded = model::LoadCheckpoint(testing::OpenFile(path), {"", {6}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(
      at::equal(Logits(**loaded, scene_.TargetInputs()), Logits(*mixture, scene_.TargetInputs())));
}

// As a user runs it.
class MoeJobTest : public ::testing::Test {
 protected:
  static const testing::World& Vectors() {
    static const auto* const kWorld = new testing::World("moe_test", "mlp", {12});
    return *kWorld;
  }
};

TEST_F(MoeJobTest, LeavesOneModelThatAnyOtherJobTakes) {
  job::RunSpec spec = Vectors().Spec("moe");
  spec.hyperparameters["guard"] = std::string("off");  // what it prefers is not the question here
  testing::TestObserver observer;
  const absl::StatusOr<job::RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->files, Contains("model.pt"));
  EXPECT_NEAR(result->metrics.at("source_weight/0") + result->metrics.at("source_weight/1"), 1,
              1e-6);
  const json report = json::parse(testing::ReadText(spec.output_directory + "/report.json"));
  EXPECT_EQ(report.at("moe").at("source_weights").size(), 2u);
  EXPECT_THAT(report.at("selection").at("chosen").get<std::string>(), StartsWith("step_"));

  job::RunSpec again = Vectors().Spec("evaluate");
  again.checkpoint = testing::OpenFile(spec.output_directory + "/model.pt");
  again.target = testing::OpenFile(Vectors().Path("evaluation.safetensors"));
  const absl::StatusOr<job::RunResult> evaluated = job::Run(again, observer);
  ASSERT_TRUE(evaluated.ok()) << evaluated.status();
  EXPECT_EQ(evaluated->metrics.at("accuracy"), result->metrics.at("accuracy"));
}

// Steps so large that they only destroy.
TEST_F(MoeJobTest, ReturnsTheSourceModelWhereThatHoldsAgainstTheMixture) {
  job::RunSpec spec = Vectors().Spec("moe");
  spec.hyperparameters["learning_rate"] = 100.0;
  testing::TestObserver observer;
  const absl::StatusOr<job::RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("the source model is returned")));
  EXPECT_THAT(result->files, Contains("model.safetensors"));
  EXPECT_THAT(result->files, Not(Contains("model.pt")));
  EXPECT_GE(result->metrics.at("accuracy"), result->metrics.at("source_accuracy"));
  EXPECT_EQ(result->metrics.count("source_weight/0"), 0u);
  const json report = json::parse(testing::ReadText(spec.output_directory + "/report.json"));
  EXPECT_THAT(report.at("selection").at("chosen").get<std::string>(), StartsWith("source"));
  EXPECT_FALSE(report.contains("moe"));
}

TEST_F(MoeJobTest, NeedsTwoSamplesOfEachSourceInABatch) {
  job::RunSpec spec = Vectors().Spec("moe");
  spec.hyperparameters["batch_size"] = int64_t{2};
  testing::TestObserver observer;
  const absl::Status status = job::Run(spec, observer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("batch_size"));
}

TEST_F(MoeJobTest, SaysThatOneSourceLeavesNothingToMix) {
  job::RunSpec spec = Vectors().Spec("moe");
  spec.sources.resize(1);
  testing::TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("nothing was mixed")));
}

}  // namespace
}  // namespace acclimate::methods
