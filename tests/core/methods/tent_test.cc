#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using testing::ExpectStatisticsOf;
using testing::OfTheBatch;
using testing::ReferenceMlp;
using testing::Scene;
using testing::Snapshot;

const Hyperparameters kShort = {{"batch_size", int64_t{16}}, {"epochs", int64_t{2}}};

TEST(TentTest, LossIsTheMeanEntropyUnderBatchStatistics) {
  Scene scene;
  const auto task = scene.Task("tent", kShort);
  const train::StepInput input = scene.Input(16);
  const auto before = Snapshot(*scene.model);
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const absl::StatusOr<train::StepOutput> output = task->Step(input, stop);
  ASSERT_TRUE(output.ok()) << output.status();

  const at::Tensor logits =
      ReferenceMlp(*scene.model).Forward(input.target.inputs, OfTheBatch).logits;
  const at::Tensor p = logits.softmax(1);
  const double entropy = -(p * p.log()).sum(1).mean().item<double>();
  EXPECT_NEAR(output->loss.item<double>(), entropy, 1e-5);
  EXPECT_TRUE(at::allclose(output->target_logits.to(at::kDouble), logits, 1e-4, 1e-4));
  EXPECT_FALSE(output->target_logits.requires_grad());
  EXPECT_THAT(Changed(*scene.model, before), ::testing::IsEmpty());  // before the update
}

TEST(TentTest, MovesScaleAndShiftAlone) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task("tent", kShort);
  ASSERT_TRUE(scene.Train(*task).ok());
  std::vector<std::string> expected;
  for (const model::BatchNormLayer& norm : scene.model->batch_norm_layers()) {
    for (const char* tensor : {".weight", ".bias", ".running_mean", ".running_var"}) {
      expected.push_back(norm.name + tensor);
    }
  }
  EXPECT_THAT(Changed(*scene.model, before), ::testing::UnorderedElementsAreArray(expected));
}

TEST(TentTest, StoresTheTargetsStatisticsAtTheEnd) {
  Scene scene;
  const auto task = scene.Task("tent", kShort);
  ASSERT_TRUE(scene.Train(*task).ok());
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
}

TEST(TentTest, MakesTheModelSurer) {
  Scene scene;
  const auto entropy = [&] {
    const at::Tensor p =
        ReferenceMlp(*scene.model).Forward(scene.TargetInputs(), OfTheBatch).logits.softmax(1);
    return -(p * p.log()).sum(1).mean().item<double>();
  };
  const double before = entropy();
  const auto task = scene.Task("tent", kShort);
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_LT(entropy(), before);
}

TEST(TentTest, OneStepABatch) {
  Scene scene("mlp", {6}, 50);
  const auto task = scene.Task("tent", kShort);
  EXPECT_EQ(task->plan().total_steps, 2 * 3);
  EXPECT_EQ(task->plan().steps_per_epoch, 3);
  EXPECT_EQ(task->plan().target_batch_size, 16);
}

}  // namespace
}  // namespace acclimate::methods
