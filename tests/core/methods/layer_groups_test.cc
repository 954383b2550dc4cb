#include "core/methods/fine_tuning/layer_groups.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/architectures.h"

namespace acclimate::methods {
namespace {

using ::testing::Contains;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Names(const std::vector<train::NamedParameter>& parameters) {
  std::vector<std::string> names;
  for (const train::NamedParameter& parameter : parameters) names.push_back(parameter.name);
  return names;
}

void ExpectPartition(const LayerGroups& layers, const model::Model& model) {
  std::vector<const void*> grouped, all;
  for (const train::NamedParameter& parameter : layers.head) {
    grouped.push_back(parameter.tensor.unsafeGetTensorImpl());
  }
  for (const LayerGroup& group : layers.body) {
    for (const train::NamedParameter& parameter : group.parameters) {
      grouped.push_back(parameter.tensor.unsafeGetTensorImpl());
    }
  }
  for (const model::Parameter& parameter : model.parameters()) {
    all.push_back(parameter.tensor.unsafeGetTensorImpl());
  }
  EXPECT_THAT(grouped, ::testing::UnorderedElementsAreArray(all));
}

TEST(GroupLayersTest, GoesFromTheInputsUp) {
  const auto model = model::BuildArchitecture({"mlp", {6}, 3}).value();
  const LayerGroups layers = GroupLayers(*model, 3);
  ASSERT_EQ(layers.body.size(), 3u);
  EXPECT_THAT(Names(layers.body[0].parameters),
              UnorderedElementsAre("fc1.weight", "fc1.bias", "bn1.weight", "bn1.bias"));
  EXPECT_THAT(Names(layers.body[1].parameters),
              UnorderedElementsAre("fc2.weight", "fc2.bias", "bn2.weight", "bn2.bias"));
  EXPECT_THAT(Names(layers.body[2].parameters),
              UnorderedElementsAre("bottleneck.0.weight", "bottleneck.0.bias",
                                   "bottleneck.1.weight", "bottleneck.1.bias"));
  EXPECT_THAT(Names(layers.head), UnorderedElementsAre("fc.weight", "fc.bias"));
  EXPECT_EQ(layers.body.back().level + 1, model->levels().size());
}

TEST(GroupLayersTest, EveryParameterIsInOneGroup) {
  for (const char* architecture : {"lenet", "dtn", "resnet18"}) {
    const auto model = model::BuildArchitecture({architecture, {3, 32, 32}, 3}).value();
    for (const int64_t count : {1, 2, 3, 1000}) {
      const LayerGroups layers = GroupLayers(*model, count);
      ExpectPartition(layers, *model);
      EXPECT_LE(static_cast<int64_t>(layers.body.size()), count);
      EXPECT_EQ(layers.body.back().level + 1, model->levels().size());
      EXPECT_THAT(Names(layers.head), Contains("fc.weight"));
    }
  }
}

TEST(DiscriminativeGroupsTest, LearningRateFallsTowardsTheInputs) {
  const auto model = model::BuildArchitecture({"mlp", {6}, 3}).value();
  const auto groups = DiscriminativeGroups(GroupLayers(*model, 3), 0.5, 10.0);
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_EQ(groups[0].learning_rate_multiplier, 0.125);
  EXPECT_EQ(groups[1].learning_rate_multiplier, 0.25);
  EXPECT_EQ(groups[2].learning_rate_multiplier, 0.5);
  EXPECT_EQ(groups[3].learning_rate_multiplier, 10.0);
  EXPECT_THAT(Names(groups[3].parameters), UnorderedElementsAre("fc.weight", "fc.bias"));
}

}  // namespace
}  // namespace acclimate::methods
