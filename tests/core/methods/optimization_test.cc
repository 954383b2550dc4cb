#include "core/methods/optimization.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/architectures.h"

namespace acclimate::methods {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Names(const std::vector<train::NamedParameter>& parameters) {
  std::vector<std::string> names;
  for (const train::NamedParameter& parameter : parameters) names.push_back(parameter.name);
  return names;
}

// Every parameter is in exactly one part.
void ExpectPartition(const ParametersByDepth& split, const model::Model& model) {
  std::vector<const void*> parts, all;
  for (const auto* part : {&split.backbone, &split.last_block, &split.head}) {
    for (const auto& parameter : *part) parts.push_back(parameter.tensor.unsafeGetTensorImpl());
  }
  for (const auto& parameter : model.parameters()) {
    all.push_back(parameter.tensor.unsafeGetTensorImpl());
  }
  EXPECT_THAT(parts, ::testing::UnorderedElementsAreArray(all));
}

TEST(SplitByDepthTest, LastBlockOfLenetIsItsBottleneck) {
  const auto model = model::BuildArchitecture({"lenet", {1, 16, 16}, 3}).value();
  const ParametersByDepth split = SplitByDepth(*model);
  EXPECT_THAT(Names(split.head), UnorderedElementsAre("fc.weight", "fc.bias"));
  EXPECT_THAT(Names(split.last_block),
              UnorderedElementsAre("bottleneck.0.weight", "bottleneck.0.bias",
                                   "bottleneck.1.weight", "bottleneck.1.bias"));
  EXPECT_THAT(Names(split.backbone),
              UnorderedElementsAre("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                   "fc1.weight", "fc1.bias"));
  ExpectPartition(split, *model);
}

TEST(SplitByDepthTest, LastBlockOfResnetIsItsLastConvolution) {
  const auto model = model::BuildArchitecture({"resnet18", {3, 32, 32}, 3}).value();
  const ParametersByDepth split = SplitByDepth(*model);
  EXPECT_THAT(Names(split.head), UnorderedElementsAre("fc.weight", "fc.bias"));
  EXPECT_THAT(
      Names(split.last_block),
      UnorderedElementsAre("layer4.1.conv2.weight", "layer4.1.bn2.weight", "layer4.1.bn2.bias"));
  EXPECT_THAT(Names(split.backbone), Contains("layer4.1.conv1.weight"));
  EXPECT_THAT(Names(split.backbone), Contains("layer4.0.downsample.0.weight"));
  ExpectPartition(split, *model);
}

TEST(PlannedStepsTest, ZeroIsSixPassesOverTheLargestDomain) {
  const auto domain = [](int64_t samples) {
    return data::Dataset::FromTensors(at::zeros({samples, 1}), at::zeros({samples}, at::kLong), "d")
        .value();
  };
  const auto planned = [&](int64_t steps, const std::vector<int64_t>& sources, int64_t target) {
    std::vector<data::Dataset> domains;
    for (const int64_t samples : sources) domains.push_back(domain(samples));
    return PlannedSteps(Settings({{"steps", steps}, {"batch_size", int64_t{10}}}), domains,
                        domain(target));
  };
  EXPECT_EQ(planned(0, {5000, 100}, 200), 3000);
  EXPECT_EQ(planned(0, {100}, 6000), 3600);
  EXPECT_EQ(planned(0, {100}, 100), 2000);
  EXPECT_EQ(planned(0, {1000000}, 100), 20000);
  EXPECT_EQ(planned(7, {5000}, 200), 7);
}

TEST(BatchesPerEpochTest, ShortLastBatchIsDropped) {
  EXPECT_EQ(BatchesPerEpoch(64, 16), 4);
  EXPECT_EQ(BatchesPerEpoch(79, 16), 4);
  EXPECT_EQ(BatchesPerEpoch(15, 16), 1);  // a dataset smaller than a batch gives itself whole
}

// The plan that the shared hyperparameters make, with `given` laid over the defaults.
train::Plan PlanFor(const Hyperparameters& given, const OptimizationDefaults& defaults = {}) {
  MethodSpec spec;
  spec.hyperparameters = OptimizationSettings(defaults);
  train::Plan plan;
  SetOptimization(Settings(ResolveHyperparameters(spec, given).value()), plan);
  return plan;
}

TEST(SetOptimizationTest, DefaultsAreSgdWithNesterovMomentum) {
  const train::Plan plan = PlanFor({});
  EXPECT_EQ(plan.optimizer.kind, train::OptimizerOptions::Kind::kSgd);
  EXPECT_EQ(plan.optimizer.learning_rate, 0.01);
  EXPECT_EQ(plan.optimizer.momentum, 0.9);
  EXPECT_TRUE(plan.optimizer.nesterov);
  EXPECT_EQ(plan.optimizer.weight_decay, 1e-3);
  EXPECT_EQ(plan.schedule, train::Schedule::kInverseDecay);
}

TEST(SetOptimizationTest, TakesWhatIsGiven) {
  const train::Plan plan = PlanFor({{"optimizer", std::string("adam")},
                                    {"learning_rate", 0.5},
                                    {"momentum", 0.25},
                                    {"weight_decay", 0.125},
                                    {"schedule", std::string("step_decay")}});
  EXPECT_EQ(plan.optimizer.kind, train::OptimizerOptions::Kind::kAdam);
  EXPECT_EQ(plan.optimizer.learning_rate, 0.5);
  EXPECT_EQ(plan.optimizer.momentum, 0.25);
  EXPECT_EQ(plan.optimizer.weight_decay, 0.125);
  EXPECT_EQ(plan.schedule, train::Schedule::kStepDecay);
  EXPECT_EQ(PlanFor({{"schedule", std::string("constant")}}).schedule, train::Schedule::kConstant);
}

TEST(SetOptimizationTest, NothingToLookAheadToWithoutMomentum) {
  EXPECT_FALSE(PlanFor({{"momentum", 0.0}}).optimizer.nesterov);
}

TEST(OptimizationSettingsTest, DefaultsAreTheMethods) {
  OptimizationDefaults defaults;
  defaults.optimizer = "adam";
  defaults.learning_rate = 0.125;
  defaults.weight_decay = 0.25;
  defaults.schedule = "constant";
  defaults.batch_size = 200;
  const train::Plan plan = PlanFor({}, defaults);
  EXPECT_EQ(plan.optimizer.kind, train::OptimizerOptions::Kind::kAdam);
  EXPECT_EQ(plan.optimizer.learning_rate, 0.125);
  EXPECT_EQ(plan.optimizer.weight_decay, 0.25);
  EXPECT_EQ(plan.schedule, train::Schedule::kConstant);
  const std::vector<HyperparameterSpec> settings = OptimizationSettings(defaults);
  std::vector<std::string> names;
  for (const HyperparameterSpec& spec : settings) names.push_back(spec.name);
  EXPECT_THAT(names, ElementsAre("optimizer", "learning_rate", "momentum", "weight_decay",
                                 "schedule", "batch_size"));
  EXPECT_EQ(settings.back().default_value, HyperparameterValue(int64_t{200}));
}

}  // namespace
}  // namespace acclimate::methods
