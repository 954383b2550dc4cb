// The method `simclr` as a user runs it.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/job/run.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using ::testing::HasSubstr;
using testing::MakeDomain;
using testing::NewFolder;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
using testing::TestObserver;
using testing::World;
using testing::WriteDomain;

const World& SimclrVectors() {
  static const auto* const kWorld = new World("simclr_test", "mlp", {12});
  return *kWorld;
}

absl::StatusOr<RunResult> RunSimclr(const RunSpec& spec) {
  TestObserver observer;
  return job::Run(spec, observer);
}

RunSpec SimclrSpec() {
  RunSpec spec = SimclrVectors().Spec("simclr");
  spec.checkpoint = nullptr;
  spec.architecture = "mlp";
  spec.num_classes = 3;
  spec.inputs = {{"probe", OpenFile(SimclrVectors().Path("labelled_target.safetensors"))}};
  return spec;
}

std::string ModelOf(const RunSpec& spec) { return spec.output_directory + "/model.safetensors"; }

TEST(SimclrTest, LearnsFeaturesAndLeavesTheClassifier) {
  RunSpec spec = SimclrSpec();
  spec.hyperparameters["epochs"] = int64_t{20};
  const auto result = RunSimclr(spec);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("linear_probe_accuracy"), 0.9);
  EXPECT_GT(result->metrics.at("nearest_neighbour_accuracy"), 0.9);
  const auto report = nlohmann::json::parse(ReadText(spec.output_directory + "/report.json"));
  EXPECT_EQ(report["representation"]["fitted_samples"], 45);
  EXPECT_EQ(report["representation"]["evaluated_samples"], 45);
  EXPECT_EQ(report["representation"]["linear_probe_accuracy"],
            result->metrics.at("linear_probe_accuracy"));
  const auto& losses = report["curves"]["loss"]["value"];
  EXPECT_LT(losses.back().get<double>(), losses.front().get<double>() - 0.1);

  RunSpec going_on = SimclrVectors().Spec("simclr");
  ASSERT_TRUE(RunSimclr(going_on).ok());
  const auto changed = ReadTensors(going_on.output_directory + "/changed.safetensors");
  EXPECT_EQ(changed.count("fc.weight") + changed.count("fc.bias"), 0u);
  EXPECT_EQ(changed.count("fc1.weight"), 1u);
}

TEST(SimclrTest, ItsModelIsTheStartOfAnotherMethod) {
  RunSpec spec = SimclrSpec();
  ASSERT_TRUE(RunSimclr(spec).ok());
  RunSpec next = SimclrVectors().Spec("finetune");
  next.checkpoint = OpenFile(ModelOf(spec));
  next.hyperparameters["epochs"] = int64_t{10};
  const auto result = RunSimclr(next);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), 0.9);
}

TEST(SimclrTest, TheProbeChangesNothing) {
  RunSpec with = SimclrSpec(), without = SimclrSpec();
  without.inputs.clear();
  ASSERT_TRUE(RunSimclr(with).ok());
  const auto result = RunSimclr(without);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->metrics.count("linear_probe_accuracy"), 0u);
  EXPECT_TRUE(ReadText(ModelOf(with)) == ReadText(ModelOf(without)));
}

TEST(SimclrTest, TakesImagesAndSeries) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, 16, 16}, {2, 20}}) {
    const std::string folder = NewFolder("simclr_shapes");
    WriteDomain(folder + "/target.safetensors", {MakeDomain(20, shape, 1).inputs, {}});
    RunSpec spec = SimclrSpec();
    spec.inputs.clear();
    spec.evaluation = nullptr;
    spec.architecture = shape.size() == 3 ? "lenet" : "mlp";
    spec.target = OpenFile(folder + "/target.safetensors");
    EXPECT_TRUE(RunSimclr(spec).ok()) << shape.size();
  }
}

// Views that nothing was changed in are the same: at a low temperature each is told from all
// others. Dropout, which `lenet` has, would part them.
TEST(SimclrTest, LeavesOutDropout) {
  const std::string folder = NewFolder("simclr_dropout");
  WriteDomain(folder + "/target.safetensors", {MakeDomain(20, {1, 16, 16}, 1).inputs, {}});
  RunSpec spec = SimclrSpec();
  spec.inputs.clear();
  spec.evaluation = nullptr;
  spec.architecture = "lenet";
  spec.target = OpenFile(folder + "/target.safetensors");
  spec.hyperparameters = {{"epochs", int64_t{1}}, {"temperature", 0.01}};
  for (const char* change :
       {"crop", "rotation_degrees", "brightness", "contrast", "saturation", "blur", "noise"}) {
    spec.hyperparameters[change] = 0.0;
  }
  ASSERT_TRUE(RunSimclr(spec).ok());
  const auto report = nlohmann::json::parse(ReadText(spec.output_directory + "/report.json"));
  EXPECT_LT(report["curves"]["loss"]["value"].front().get<double>(), 0.1);
}

TEST(SimclrTest, SaysWhatIsMissingOrWrong) {
  RunSpec spec = SimclrSpec();
  spec.num_classes = 0;
  EXPECT_EQ(RunSimclr(spec).status().message(),
            "num_classes: needed for a fresh architecture where there are no labels");
  const std::string path = NewFolder("probe") + "/probe.safetensors";
  WriteDomain(path, MakeDomain(20, {13}, 4));
  spec = SimclrSpec();
  spec.inputs["probe"] = OpenFile(path);
  EXPECT_EQ(RunSimclr(spec).status().message(),
            "inputs[\"probe\"]: samples have shape [13], those of the target [12]");
}

}  // namespace
}  // namespace acclimate::job
