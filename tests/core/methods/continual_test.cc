// continual: sequences of tasks through job::Run.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::Contains;
using testing::Domain;
using ::testing::HasSubstr;
using testing::MakeDomain;
using testing::NewFolder;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
using testing::TestObserver;
using testing::WriteDomain;

constexpr int64_t kClasses = 6;

// Three tasks of two classes each, as files.
std::string TaskFile(int64_t task) {
  static const auto* const kFolder = new std::string([] {
    const std::string folder = NewFolder("tasks");
    const Domain all = MakeDomain(120 * kClasses, {12}, 1, kClasses);
    for (int64_t part = 0; part < 3; ++part) {
      const at::Tensor chosen = all.labels.floor_divide(2).eq(part);
      WriteDomain(folder + "/task_" + std::to_string(part),
                  {all.inputs.index({chosen}), all.labels.index({chosen})});
    }
    return folder;
  }());
  return *kFolder + "/task_" + std::to_string(task);
}

// Learns `tasks` in order, from scratch.
RunSpec SequenceSpec(const std::string& strategy, const std::vector<int64_t>& tasks) {
  RunSpec spec;
  spec.method = "continual";
  spec.architecture = "mlp";
  spec.normalization.mode = "none";
  spec.num_classes = kClasses;
  for (const int64_t task : tasks) spec.sources.push_back(OpenFile(TaskFile(task)));
  spec.target = spec.sources.back();
  spec.sources.pop_back();
  spec.hyperparameters = {{"strategy", strategy}, {"memory_size", int64_t{30}}};
  spec.seed = 5;
  spec.output_directory = NewFolder("continual");
  return spec;
}

RunResult MustRun(const RunSpec& spec, int64_t pause_after = 0) {
  TestObserver observer(pause_after, Directive::kPause);
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(observer.warnings.empty());
  return result.ok() ? *result : RunResult();
}

json ReportOf(const RunSpec& spec) {
  return json::parse(ReadText(spec.output_directory + "/report.json"))["continual"];
}

TEST(ContinualTest, ReplayHoldsOnToWhatPlainTrainingForgets) {
  const RunSpec none = SequenceSpec("none", {0, 1, 2});
  const RunResult forgotten = MustRun(none);
  EXPECT_GT(forgotten.metrics.at("forgetting"), 0.5);
  EXPECT_LT(forgotten.metrics.at("average_accuracy"), 0.5);
  for (const char* strategy : {"er", "der++"}) {
    const RunSpec spec = SequenceSpec(strategy, {0, 1, 2});
    const RunResult kept = MustRun(spec);
    EXPECT_GT(kept.metrics.at("average_accuracy"), forgotten.metrics.at("average_accuracy") + 0.3)
        << strategy;
    EXPECT_LT(kept.metrics.at("forgetting"), 0.3) << strategy;
    const json report = ReportOf(spec);
    ASSERT_EQ(report["accuracy_matrix"].size(), 3u);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(report["accuracy_matrix"][i].size(), i + 1);
    double average = 0;
    for (const auto& value : report["accuracy_matrix"][2]) average += value.get<double>() / 3;
    EXPECT_NEAR(report["average_accuracy"], average, 1e-12);
    EXPECT_EQ(report["memory"]["samples"], 30);
    EXPECT_EQ(report["memory"]["seen"], 3 * 210);  // whole batches of the 216 that are left
  }
}

TEST(ContinualTest, ElasticWeightsMoveLess) {
  const auto distance = [](double lambda) {
    RunSpec first = SequenceSpec("ewc", {0});
    MustRun(first);
    RunSpec second = SequenceSpec("ewc", {1});
    second.checkpoint = OpenFile(first.output_directory + "/model.safetensors");
    second.inputs["memory"] = OpenFile(first.output_directory + "/memory.safetensors");
    second.hyperparameters["ewc_lambda"] = lambda;
    MustRun(second);
    const auto before = ReadTensors(first.output_directory + "/memory.safetensors");
    const auto after = ReadTensors(second.output_directory + "/model.safetensors");
    double squares = 0;
    for (const auto& [name, tensor] : before) {
      if (name.rfind("fisher/", 0) != 0) continue;
      EXPECT_GE(tensor.min().item<float>(), 0);
      const std::string parameter = name.substr(7);
      squares += (tensor * (after.at(parameter) - before.at("anchor/" + parameter)).square())
                     .sum()
                     .item<double>();
    }
    return squares;
  };
  EXPECT_LT(distance(1000.0), 0.5 * distance(0.0));
}

TEST(ContinualTest, HeldOutPartsAreNeverTrainedOn) {
  RunSpec spec = SequenceSpec("er", {0, 1});
  spec.hyperparameters["memory_size"] = int64_t{1000};  // remembers everything it sees
  MustRun(spec);
  const auto memory = ReadTensors(spec.output_directory + "/memory.safetensors");
  std::set<float> remembered;
  const at::Tensor& inputs = memory.at("replay/inputs");
  for (int64_t i = 0; i < inputs.size(0); ++i) remembered.insert(inputs[i][0].item<float>());
  EXPECT_EQ(remembered.size(), 2u * 210);
  for (const char* part : {"evaluation/0/inputs", "evaluation/1/inputs"}) {
    const at::Tensor& held_out = memory.at(part);
    EXPECT_EQ(held_out.size(0), 24);  // a tenth of 240
    for (int64_t i = 0; i < held_out.size(0); ++i) {
      EXPECT_EQ(remembered.count(held_out[i][0].item<float>()), 0u);
    }
  }
}

TEST(ContinualTest, TheNextJobTakesTheMemoryOn) {
  const RunSpec first = SequenceSpec("der++", {0, 1});
  EXPECT_THAT(MustRun(first).files, Contains("memory.safetensors"));
  RunSpec second = SequenceSpec("der++", {2});
  second.checkpoint = OpenFile(first.output_directory + "/model.safetensors");
  second.inputs["memory"] = OpenFile(first.output_directory + "/memory.safetensors");
  const RunResult result = MustRun(second);
  const json before = ReportOf(first), after = ReportOf(second);
  ASSERT_EQ(after["accuracy_matrix"].size(), 3u);
  EXPECT_EQ(after["accuracy_matrix"][0], before["accuracy_matrix"][0]);
  EXPECT_EQ(after["accuracy_matrix"][1], before["accuracy_matrix"][1]);
  EXPECT_EQ(after["memory"]["seen"], 3 * 210);
  EXPECT_EQ(after["evaluation_samples"], json({24, 24, 24}));
  EXPECT_LT(result.metrics.at("forgetting"), 0.3);

  // All three tasks may be remembered afterwards.
  const auto memory = ReadTensors(second.output_directory + "/memory.safetensors");
  const at::Tensor labels = memory.at("replay/labels");
  std::set<int64_t> tasks;
  for (int64_t i = 0; i < labels.size(0); ++i) tasks.insert(labels[i].item<int64_t>() / 2);
  EXPECT_EQ(tasks.size(), 3u);
}

TEST(ContinualTest, SaysWhichMemoryDoesNotFit) {
  const auto reason = [](const RunSpec& spec) {
    TestObserver observer;
    return std::string(job::Run(spec, observer).status().message());
  };
  const RunSpec first = SequenceSpec("der++", {0});
  MustRun(first);
  RunSpec second = SequenceSpec("der++", {1});
  second.inputs["memory"] = OpenFile(first.output_directory + "/memory.safetensors");
  second.num_classes = 8;
  EXPECT_THAT(reason(second),
              HasSubstr("inputs[\"memory\"]: replay/logits: must be float32 [30, 8]"));
  second.inputs["memory"] = second.target;
  EXPECT_THAT(reason(second), HasSubstr("inputs[\"memory\"]: not a memory of continual"));
}

// Beyond the catalogue-wide test: with a memory to go on from, and for each strategy.
TEST(ContinualTest, ResumesBitEqualWithAMemory) {
  for (const char* strategy : {"er", "ewc"}) {
    const RunSpec first = SequenceSpec(strategy, {0});
    MustRun(first);
    RunSpec straight = SequenceSpec(strategy, {1, 2});
    straight.checkpoint = OpenFile(first.output_directory + "/model.safetensors");
    straight.inputs["memory"] = OpenFile(first.output_directory + "/memory.safetensors");
    MustRun(straight);
    RunSpec resumed = straight;
    resumed.output_directory = NewFolder("resumed");
    // Within the first task, in the passes at its end, within the second.
    for (const int64_t pause_after : {7, 15, 10}) {
      EXPECT_EQ(MustRun(resumed, pause_after).outcome, RunResult::Outcome::kPaused);
      resumed.resume_state = OpenFile(resumed.output_directory + "/training_state.safetensors");
    }
    MustRun(resumed);
    for (const char* file : {"/model.safetensors", "/memory.safetensors"}) {
      EXPECT_TRUE(ReadText(straight.output_directory + file) ==
                  ReadText(resumed.output_directory + file))
          << strategy << file;
    }
  }
}

}  // namespace
}  // namespace acclimate::job
