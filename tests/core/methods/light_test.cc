// Light transfer: what moves, what it costs, and that the saved weights are base plus adapters.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/methods/fine_tuning/low_rank_adapter.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::methods {
namespace {

using nlohmann::json;

const testing::World& Images() {
  static const auto* const kWorld = new testing::World("light", "dtn", {1, 8, 8});
  return *kWorld;
}

job::RunSpec LightSpec(const std::string& parts) {
  job::RunSpec spec = Images().Spec("light");
  spec.hyperparameters["parts"] = parts;
  spec.hyperparameters["epochs"] = int64_t{8};
  spec.hyperparameters["target_statistics"] = false;
  return spec;
}

json RunToReport(const job::RunSpec& spec) {
  testing::TestObserver observer;
  const absl::StatusOr<job::RunResult> result = job::Run(spec, observer);
  EXPECT_TRUE(result.ok()) << result.status();
  return json::parse(testing::ReadText(spec.output_directory + "/report.json"));
}

TEST(LowRankAdapterTest, BeginsAsTheWeightAndAddsTheProduct) {
  at::manual_seed(1);
  at::Tensor weight = at::randn({6, 3, 2, 2});
  const at::Tensor before = weight.clone();
  const LowRankAdapter adapter("w", weight, 2, 0.5);
  EXPECT_TRUE(adapter.Merged().equal(before));
  ASSERT_EQ(adapter.a().sizes(), at::IntArrayRef({2, 12}));
  ASSERT_EQ(adapter.b().sizes(), at::IntArrayRef({6, 2}));
  adapter.b().normal_();
  adapter.Merge();
  adapter.Merge();
  for (int64_t o = 0; o < 6; ++o) {
    for (int64_t i = 0; i < 12; ++i) {
      double sum = before.view({6, 12})[o][i].item<double>();
      for (int64_t r = 0; r < 2; ++r) {
        sum += 0.5 * adapter.b()[o][r].item<double>() * adapter.a()[r][i].item<double>();
      }
      EXPECT_NEAR(weight.view({6, 12})[o][i].item<double>(), sum, 1e-5);
    }
  }
}

TEST(LowRankAdapterTest, RankIsAtMostThatOfTheMatrix) {
  const LowRankAdapter adapter("w", at::randn({3, 50}), 8, 1.0);
  EXPECT_EQ(adapter.a().size(0), 3);
}

TEST(LightTest, OnlyTheChosenPartMoves) {
  const std::map<std::string, std::set<std::string>> expected = {
      {"batch_norm",
       {"bn1.weight", "bn1.bias", "bn2.weight", "bn2.bias", "bn3.weight", "bn3.bias",
        "bottleneck.1.weight", "bottleneck.1.bias"}},
      {"bias", {"conv1.bias", "conv2.bias", "conv3.bias", "bottleneck.0.bias", "fc.bias"}},
      {"head", {"fc.weight", "fc.bias"}},
      {"low_rank",
       {"conv1.weight", "conv2.weight", "conv3.weight", "bottleneck.0.weight", "fc.weight"}}};
  for (const auto& [parts, names] : expected) {
    const job::RunSpec spec = LightSpec(parts);
    RunToReport(spec);
    std::set<std::string> changed;
    for (const auto& [name, tensor] :
         testing::ReadTensors(spec.output_directory + "/changed.safetensors")) {
      changed.insert(name);
    }
    EXPECT_EQ(changed, names) << parts;
  }
}

TEST(LightTest, SavedWeightsAreThoseOfTheSourcePlusTheDelta) {
  const job::RunSpec spec = LightSpec("low_rank");
  const json report = RunToReport(spec);
  const auto before = testing::ReadTensors(Images().Path("model.safetensors"));
  const auto after = testing::ReadTensors(spec.output_directory + "/model.safetensors");
  const auto delta = testing::ReadTensors(spec.output_directory + "/delta.safetensors");
  EXPECT_EQ(delta.size(), 11u);
  const double scale = delta.at("scale").item<double>();
  EXPECT_EQ(scale, 2.0);
  int64_t moved = 0;
  for (const char* name : {"conv1.weight", "conv3.weight", "bottleneck.0.weight", "fc.weight"}) {
    const at::Tensor a = delta.at(std::string(name) + ".lora_A");
    const at::Tensor b = delta.at(std::string(name) + ".lora_B");
    const at::Tensor difference = after.at(name) - before.at(name);
    EXPECT_GT(difference.abs().max().item<double>(), 1e-4) << name;
    EXPECT_LT((difference - scale * b.mm(a).view(difference.sizes())).abs().max().item<double>(),
              1e-5)
        << name;
  }
  for (const auto& [name, tensor] : delta) moved += name == "scale" ? 0 : tensor.numel();
  const json& light = report["light"];
  EXPECT_EQ(light["moved_parameters"], moved);
  EXPECT_EQ(light["delta_bytes"], 4 * moved);
  EXPECT_LT(light["moved_share"], 0.2);
}

TEST(LightTest, EveryPartHelps) {
  for (const char* parts : {"batch_norm", "bias", "batch_norm+bias", "head", "low_rank"}) {
    job::RunSpec spec = LightSpec(parts);
    spec.hyperparameters["target_statistics"] = true;
    const json report = RunToReport(spec);
    EXPECT_GT(report["adapted"]["accuracy"], report["source_only"]["accuracy"]) << parts;
    EXPECT_EQ(report["light"]["statistics"], 2 * (64 + 128 + 256 + 256)) << parts;
    EXPECT_EQ(std::filesystem::exists(spec.output_directory + "/delta.safetensors"),
              std::string(parts) == "low_rank");
  }
}

}  // namespace
}  // namespace acclimate::methods
