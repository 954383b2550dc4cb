#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <tuple>

#include "core/methods/target_statistics.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Blobs;
using testing::Changed;
using testing::ExpectStatisticsOf;
using testing::Moments;
using testing::ReferenceMlp;
using testing::Scene;
using testing::Snapshot;

constexpr int64_t kSamples = 600;   // more than one batch of a pass
constexpr int64_t kOneBatch = 500;  // no more than one

// What AdaBN must store: every layer sees inputs that the layers before it, already adapted,
// normalised.
std::map<std::string, Moments> Adapted(const model::Model& model, const at::Tensor& inputs,
                                       double alpha) {
  const ReferenceMlp reference(model);
  std::map<std::string, Moments> adapted;
  reference.Forward(inputs, [&](const std::string& layer, const at::Tensor& input) {
    const at::Tensor variance = (input - input.mean(0)).square().sum(0) / (inputs.size(0) - 1);
    adapted[layer] = {
        (1 - alpha) * reference[layer + ".running_mean"] + alpha * input.mean(0),
        (1 - alpha) * reference[layer + ".running_var"] + alpha * variance,
    };
    return adapted[layer];
  });
  return adapted;
}

// The share of the target, the samples, the form.
using Form = std::tuple<double, int64_t, std::string>;
class AdabnTest : public ::testing::TestWithParam<Form> {};

TEST_P(AdabnTest, StatisticsEqualTheirDefinition) {
  const auto& [alpha, samples, form] = GetParam();
  Scene scene("mlp", {6}, samples);
  const auto expected = Adapted(*scene.model, scene.TargetInputs(), alpha);
  const auto task = scene.Task("adabn", {{"alpha", alpha}, {"statistics", form}});
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

// One pass is exact where the target is one batch.
INSTANTIATE_TEST_SUITE_P(Forms, AdabnTest,
                         ::testing::Values(Form(1.0, kSamples, "layer_by_layer"),
                                           Form(0.3, kSamples, "layer_by_layer"),
                                           Form(1.0, kOneBatch, "one_pass"),
                                           Form(0.3, kOneBatch, "one_pass")));

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

TEST(AdabnTaskTest, TakesOneStepOfOnePass) {
  Scene scene;
  const auto task = scene.Task("adabn");
  EXPECT_EQ(task->plan().total_steps, 1);
  ASSERT_TRUE(scene.Train(*task).ok());
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
}

TEST(AdabnTaskTest, LayerByLayerItTakesOneStepALayer) {
  Scene scene;
  const auto task = scene.Task("adabn", {{"statistics", std::string("layer_by_layer")}});
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
  Scene scene("dtn", {1, 8, 8}, kOneBatch);
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

// A stop signal is asked once a batch: as many forward passes as the samples fill batches, whatever
// the number of layers.
TEST(TargetStatisticsTest, AllLayersTakeOnePass) {
  Scene scene("dtn", {1, 8, 8}, kSamples);
  ASSERT_EQ(scene.model->batch_norm_layers().size(), 4u);
  int64_t batches = 0;
  train::StopSignal counting([&batches] {
    ++batches;
    return train::Directive::kContinue;
  });
  ASSERT_TRUE(RecomputeStatistics(*scene.model, scene.target, at::kCPU, counting).ok());
  EXPECT_EQ(batches, 2);
}

// Of a file that holds one class after the other too: the means and deviations of both forms differ
// by a few percent of a deviation.
TEST(TargetStatisticsTest, OnePassOfSeveralBatchesIsCloseToTheExactForm) {
  const data::Dataset mixed = Blobs(4 * kOneBatch, {6}, 5);
  const data::Dataset sorted = mixed.Subset(std::get<1>(mixed.labels().sort()));
  Scene exact("mlp", {6}), close("mlp", {6});
  train::StopSignal never([] { return train::Directive::kContinue; });
  for (size_t i = 0; i < exact.model->batch_norm_layers().size(); ++i) {
    ASSERT_TRUE(AdaptLayerStatistics(*exact.model, i, sorted, at::kCPU, 1.0, never).ok());
  }
  ASSERT_TRUE(RecomputeStatistics(*close.model, sorted, at::kCPU, never).ok());
  for (size_t i = 0; i < exact.model->batch_norm_layers().size(); ++i) {
    const model::BatchNormLayer& a = exact.model->batch_norm_layers()[i];
    const model::BatchNormLayer& b = close.model->batch_norm_layers()[i];
    const at::Tensor deviation = a.running_var.sqrt();
    EXPECT_LT(((a.running_mean - b.running_mean) / deviation).abs().max().item<double>(), 0.05);
    EXPECT_LT((b.running_var.sqrt() / deviation - 1).abs().max().item<double>(), 0.05);
  }
}

TEST(TargetStatisticsTest, AStoredNanIsReplaced) {
  Scene scene;
  scene.model->batch_norm_layers()[1].running_var.fill_(std::numeric_limits<float>::quiet_NaN());
  train::StopSignal never([] { return train::Directive::kContinue; });
  ASSERT_TRUE(RecomputeStatistics(*scene.model, scene.target, at::kCPU, never).ok());
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
}

TEST(TargetStatisticsTest, StoppedAndRepeatedGivesTheSame) {
  Scene straight("mlp", {6}, kSamples), stopped("mlp", {6}, kSamples);
  const auto untouched = Snapshot(*stopped.model);
  train::StopSignal never([] { return train::Directive::kContinue; });
  ASSERT_TRUE(RecomputeStatistics(*straight.model, straight.target, at::kCPU, never).ok());
  int polls = 0;
  train::StopSignal stop(
      [&] { return ++polls > 1 ? train::Directive::kPause : train::Directive::kContinue; });
  EXPECT_EQ(RecomputeStatistics(*stopped.model, stopped.target, at::kCPU, stop).code(),
            absl::StatusCode::kCancelled);
  EXPECT_THAT(Changed(*stopped.model, untouched), ::testing::IsEmpty());
  ASSERT_TRUE(RecomputeStatistics(*stopped.model, stopped.target, at::kCPU, never).ok());
  EXPECT_THAT(Changed(*stopped.model, Snapshot(*straight.model)), ::testing::IsEmpty());
}

}  // namespace
}  // namespace acclimate::methods
