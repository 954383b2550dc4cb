#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/train/pass.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using testing::Scene;
using testing::Snapshot;

constexpr int64_t kSamples = 600;  // two batches of a pass

TEST(EvaluateTest, CountsEverySampleAndChangesNothing) {
  Scene scene("mlp", {6}, kSamples);
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task("evaluate");
  EXPECT_EQ(task->plan().total_steps, 2);
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_THAT(Changed(*scene.model, before), ::testing::IsEmpty());
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const at::Tensor expected =
      train::ConfusionMatrix(*scene.model, scene.target, at::kCPU, stop).value();
  EXPECT_EQ(expected.sum().item<int64_t>(), kSamples);
  EXPECT_TRUE(at::equal(task->confusion_matrix(), expected));
}

TEST(EvaluateTest, GoesOnFromItsCounts) {
  Scene scene("mlp", {6}, kSamples);
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const auto first = scene.Task("evaluate"), second = scene.Task("evaluate");
  train::StepInput input;
  const absl::StatusOr<train::StepOutput> step = first->Step(input, stop);
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_EQ(step->samples, 512);
  EXPECT_DOUBLE_EQ(step->values.at("accuracy"), train::Accuracy(first->confusion_matrix()));
  ASSERT_TRUE(second->Restore(first->State()).ok());
  input.step = 1;
  ASSERT_TRUE(second->Step(input, stop).ok());
  EXPECT_EQ(second->confusion_matrix().sum().item<int64_t>(), kSamples);
  EXPECT_EQ(first->confusion_matrix().sum().item<int64_t>(), 512);
}

}  // namespace
}  // namespace acclimate::methods
