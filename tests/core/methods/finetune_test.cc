#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "core/train/pass.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using testing::kClasses;
using testing::OfTheBatch;
using testing::ReferenceMlp;
using testing::Scene;
using testing::Snapshot;

TEST(FinetuneTest, LossIsCrossEntropyWithLabelSmoothing) {
  Scene scene;
  const auto task = scene.Task("finetune", {{"label_smoothing", 0.3}});
  const train::StepInput input = scene.Input(12);
  const at::Tensor log_p =
      ReferenceMlp(*scene.model).Forward(input.target.inputs, OfTheBatch).logits.log_softmax(1);
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const absl::StatusOr<train::StepOutput> output = task->Step(input, stop);
  ASSERT_TRUE(output.ok()) << output.status();
  double expected = 0;
  for (int64_t i = 0; i < 12; ++i) {
    const int64_t label =
        scene.target.labels()[input.target_index[i].item<int64_t>()].item<int64_t>();
    for (int64_t c = 0; c < kClasses; ++c) {
      const double target = (c == label ? 1 - 0.3 : 0.0) + 0.3 / kClasses;
      expected -= target * log_p[i][c].item<double>() / 12;
    }
  }
  EXPECT_NEAR(output->loss.item<double>(), expected, 1e-5);
}

TEST(FinetuneTest, PlansLabelledPassesOverTheTarget) {
  Scene scene("mlp", {6}, 50);
  const auto task = scene.Task("finetune", {{"batch_size", int64_t{16}},
                                            {"epochs", int64_t{4}},
                                            {"head_learning_rate_multiplier", 10.0}});
  const train::Plan& plan = task->plan();
  EXPECT_EQ(plan.steps_per_epoch, 3);
  EXPECT_EQ(plan.total_steps, 12);
  EXPECT_EQ(plan.target_batch_size, 16);
  EXPECT_TRUE(plan.target_labels);
  size_t parameters = 0;
  for (const train::ParameterGroup& group : plan.groups) {
    parameters += group.parameters.size();
    for (const train::NamedParameter& parameter : group.parameters) {
      const bool head = parameter.name == "fc.weight" || parameter.name == "fc.bias";
      EXPECT_EQ(group.learning_rate_multiplier, head ? 10.0 : 1.0) << parameter.name;
    }
  }
  EXPECT_EQ(parameters, scene.model->parameters().size());
}

TEST(FinetuneTest, LearnsTheLabels) {
  Scene scene;
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const auto accuracy = [&] {
    return train::Accuracy(
        train::ConfusionMatrix(*scene.model, scene.target, at::kCPU, stop).value());
  };
  const double before = accuracy();
  const auto task = scene.Task("finetune", {{"batch_size", int64_t{16}}, {"epochs", int64_t{15}}});
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_LT(before, 0.8);
  EXPECT_GT(accuracy(), 0.95);
}

TEST(FinetuneTest, HeadAloneMayStay) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task("finetune", {{"batch_size", int64_t{16}},
                                            {"epochs", int64_t{1}},
                                            {"head_learning_rate_multiplier", int64_t{0}}});
  ASSERT_TRUE(scene.Train(*task).ok());
  const auto changed = Changed(*scene.model, before);
  EXPECT_THAT(changed, ::testing::Contains("fc1.weight"));
  EXPECT_THAT(changed, ::testing::Not(::testing::Contains("fc.weight")));
}

}  // namespace
}  // namespace acclimate::methods
