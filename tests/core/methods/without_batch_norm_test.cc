// Networks without batch norm keep their accuracy at rates that would ruin them without limits on
// their updates.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/losses/cross_entropy.h"
#include "core/train/optimizer.h"
#include "tests/core/methods/scene.h"
#include "tests/core/train/plain_network.h"

namespace acclimate::methods {
namespace {

constexpr double kGain = 10;  // inputs that large make large gradients

double AccuracyOn(model::Model& model, const data::Dataset& dataset) {
  const at::NoGradGuard no_grad;
  const data::Batch all = dataset.Slice(0, dataset.size(), at::kCPU);
  const at::Tensor predicted = model.Forward(all.inputs, model::Mode::kEvaluation).logits.argmax(1);
  return predicted.eq(all.labels).to(at::kDouble).mean().item<double>();
}

// A plain network that has learned the source.
void LearnSource(testing::Scene& scene) {
  at::manual_seed(5);
  scene.model = testing::PlainNetwork();
  train::ParameterGroup all;
  for (const model::Parameter& parameter : scene.model->parameters()) {
    all.parameters.push_back({parameter.name, parameter.tensor});
  }
  train::OptimizerOptions options;
  options.learning_rate = 0.0005;
  const auto optimizer = train::MakeOptimizer(options, {all});
  const data::Batch source = scene.sources[0].Slice(0, scene.sources[0].size(), at::kCPU);
  for (int step = 0; step < 200; ++step) {
    optimizer->ZeroGradients();
    losses::CrossEntropy(scene.model->Forward(source.inputs, model::Mode::kTraining).logits,
                         source.labels)
        .backward();
    optimizer->Step();
  }
  optimizer->ZeroGradients();
}

class WithoutBatchNormTest : public ::testing::TestWithParam<std::string> {};

TEST_P(WithoutBatchNormTest, HighRateDoesNotRuinTheModel) {
  testing::Scene scene;
  scene.sources = {testing::Blobs(40, {6}, 1, kGain)};
  scene.target = testing::Blobs(48, {6}, 2, 1.2 * kGain, 0.3 * kGain);
  LearnSource(scene);
  const double before = AccuracyOn(*scene.model, scene.target);
  ASSERT_GT(before, 0.8);
  at::manual_seed(6);
  const auto task = scene.Task(GetParam(), {{"steps", int64_t{200}},
                                            {"batch_size", int64_t{16}},
                                            {"augment", std::string("none")},
                                            {"learning_rate", 0.3}});
  const absl::Status status = scene.Train(*task);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_GE(AccuracyOn(*scene.model, scene.target), before - 0.05);
}

INSTANTIATE_TEST_SUITE_P(Alignment, WithoutBatchNormTest,
                         ::testing::Values("dann", "cdan", "deep_coral", "dan", "mcc"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace acclimate::methods
