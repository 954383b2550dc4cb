#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "core/methods/target_statistics.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using testing::ExpectStatisticsOf;
using testing::Moments;
using testing::ReferenceMlp;
using testing::Scene;
using testing::Snapshot;

constexpr int64_t kSamples = 600;  // more than one batch of a pass

// What AdaBN must store: every layer sees inputs that the layers before it, already adapted,
// normalised.
std::map<std::string, Moments> Adapted(const model::Model& model, const at::Tensor& inputs,
                                       double alpha) {
  const ReferenceMlp reference(model);
  std::map<std::string, Moments> adapted;
  reference.Forward(inputs, [&](const std::string& layer, const at::Tensor& input) {
    const at::Tensor variance = (input - input.mean(0)).square().sum(0) / (kSamples - 1);
    adapted[layer] = {
        (1 - alpha) * reference[layer + ".running_mean"] + alpha * input.mean(0),
        (1 - alpha) * reference[layer + ".running_var"] + alpha * variance,
    };
    return adapted[layer];
  });
  return adapted;
}

class AdabnTest : public ::testing::TestWithParam<double> {};

TEST_P(AdabnTest, StatisticsEqualTheirDefinition) {
  Scene scene("mlp", {6}, kSamples);
  const auto expected = Adapted(*scene.model, scene.TargetInputs(), GetParam());
  const auto task = scene.Task("adabn", {{"alpha", GetParam()}});
  ASSERT_TRUE(scene.Train(*task).ok());
  ASSERT_EQ(scene.model->batch_norm_layers().size(), expected.size());
  for (const model::BatchNormLayer& norm : scene.model->batch_norm_layers()) {
    const Moments& moments = expected.at(norm.name);
    EXPECT_TRUE(at::allclose(norm.running_mean.to(at::kDouble), moments.mean, 1e-4, 1e-5))
        << norm.name;
    EXPECT_TRUE(at::allclose(norm.running_var.to(at::kDouble), moments.variance, 1e-4, 0))
        << norm.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Alphas, AdabnTest, ::testing::Values(1.0, 0.3));

TEST(AdabnTaskTest, ChangesStatisticsOnly) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task("adabn");
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_THAT(Changed(*scene.model, before),
              ::testing::ElementsAre("bn1.running_mean", "bn1.running_var", "bn2.running_mean",
                                     "bn2.running_var", "bottleneck.1.running_mean",
                                     "bottleneck.1.running_var"));
}

TEST(AdabnTaskTest, AlphaZeroChangesNothing) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task("adabn", {{"alpha", 0.0}});
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_THAT(Changed(*scene.model, before), ::testing::IsEmpty());
}

TEST(AdabnTaskTest, TakesOneStepALayer) {
  Scene scene;
  const auto task = scene.Task("adabn");
  EXPECT_EQ(task->plan().total_steps, 3);
  train::StopSignal stop([] { return train::Directive::kContinue; });
  train::StepInput input;
  input.step = 1;
  const auto before = Snapshot(*scene.model);
  const absl::StatusOr<train::StepOutput> output = task->Step(input, stop);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->samples, scene.target.size());
  EXPECT_THAT(Changed(*scene.model, before),
              ::testing::ElementsAre("bn2.running_mean", "bn2.running_var"));
}

TEST(TargetStatisticsTest, ConvolutionsAreTakenByChannel) {
  Scene scene("dtn", {1, 8, 8}, kSamples);
  train::StopSignal stop([] { return train::Directive::kContinue; });
  ASSERT_TRUE(RecomputeStatistics(*scene.model, scene.target, at::kCPU, stop).ok());
  ASSERT_EQ(scene.model->batch_norm_layers().size(), 4u);
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
}

TEST(TargetStatisticsTest, StoppedWithinALayerChangesNothing) {
  Scene scene("mlp", {6}, kSamples);
  const auto before = Snapshot(*scene.model);
  int polls = 0;
  train::StopSignal stop(
      [&] { return ++polls > 1 ? train::Directive::kPause : train::Directive::kContinue; });
  EXPECT_EQ(AdaptLayerStatistics(*scene.model, 0, scene.target, at::kCPU, 1.0, stop).code(),
            absl::StatusCode::kCancelled);
  EXPECT_THAT(Changed(*scene.model, before), ::testing::IsEmpty());
}

TEST(TargetStatisticsTest, StoppedAndRepeatedGivesTheSame) {
  Scene straight("mlp", {6}, kSamples), stopped("mlp", {6}, kSamples);
  train::StopSignal never([] { return train::Directive::kContinue; });
  ASSERT_TRUE(RecomputeStatistics(*straight.model, straight.target, at::kCPU, never).ok());
  int polls = 0;
  train::StopSignal stop(
      [&] { return ++polls > 3 ? train::Directive::kPause : train::Directive::kContinue; });
  EXPECT_EQ(RecomputeStatistics(*stopped.model, stopped.target, at::kCPU, stop).code(),
            absl::StatusCode::kCancelled);
  ASSERT_TRUE(RecomputeStatistics(*stopped.model, stopped.target, at::kCPU, never).ok());
  EXPECT_THAT(Changed(*stopped.model, Snapshot(*straight.model)), ::testing::IsEmpty());
}

}  // namespace
}  // namespace acclimate::methods
