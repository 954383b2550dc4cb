// DAN and Deep CORAL: the same task around two losses; and what all methods with sources share.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/losses/coral.h"
#include "core/losses/mk_mmd.h"
#include "core/train/gradients.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using ::testing::Contains;
using testing::ExpectStatisticsOf;
using testing::OfTheBatch;
using testing::ReferenceMlp;
using testing::Scene;
using testing::Snapshot;

constexpr int64_t kDomainBatch = 12;

struct Case {
  const char* method;
  at::Tensor (*discrepancy)(const at::Tensor& source, const at::Tensor& target);
};

class DiscrepancyTest : public ::testing::TestWithParam<Case> {};

TEST_P(DiscrepancyTest, PartsEqualThePureLossesOfDomainsForwardedApart) {
  Scene scene;
  const auto task =
      scene.Task(GetParam().method, {{"trade_off", 0.25}, {"batch_size", kDomainBatch}});
  const train::StepInput input = scene.Input(kDomainBatch);
  const ReferenceMlp reference(*scene.model);
  const model::ForwardResult source = reference.Forward(input.source.inputs, OfTheBatch);
  const model::ForwardResult target = reference.Forward(input.target.inputs, OfTheBatch);
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const absl::StatusOr<train::StepOutput> output = task->Step(input, stop);
  ASSERT_TRUE(output.ok()) << output.status();

  double classification = 0;
  for (int64_t i = 0; i < kDomainBatch; ++i) {
    const int64_t label = input.source.labels[i].item<int64_t>();
    classification -= source.logits[i].log_softmax(0)[label].item<double>() / kDomainBatch;
  }
  const double discrepancy =
      GetParam().discrepancy(source.features, target.features).item<double>();
  ASSERT_GT(discrepancy, 0.0);
  EXPECT_NEAR(output->parts.at("source").item<double>(), classification, 1e-5);
  EXPECT_NEAR(output->parts.at("discrepancy").item<double>() / discrepancy, 1.0, 1e-4);
  EXPECT_NEAR(output->loss.item<double>(), classification + 0.25 * discrepancy, 1e-5);
  EXPECT_TRUE(at::allclose(output->target_logits.to(at::kDouble), target.logits, 1e-4, 1e-4));
  EXPECT_FALSE(output->target_logits.requires_grad());
}

TEST_P(DiscrepancyTest, BothTermsMoveTheFeatures) {
  Scene scene;
  const auto task = scene.Task(GetParam().method, {{"batch_size", kDomainBatch}});
  std::vector<at::Tensor> parameters;
  for (const model::Parameter& parameter : scene.model->parameters()) {
    parameter.tensor.requires_grad_(true);
    if (!parameter.head) parameters.push_back(parameter.tensor);
  }
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const absl::StatusOr<train::StepOutput> output = task->Step(scene.Input(kDomainBatch), stop);
  ASSERT_TRUE(output.ok()) << output.status();
  for (const char* part : {"source", "discrepancy"}) {
    const auto gradients =
        train::Gradients(output->parts.at(part), parameters, /*retain_graph=*/true);
    EXPECT_GT(gradients[0].abs().max().item<double>(), 0.0) << part;
  }
}

TEST_P(DiscrepancyTest, EndsWithTheTargetsStatisticsWhenToldSo) {
  for (const bool target_statistics : {true, false}) {
    Scene scene;
    const auto task = scene.Task(GetParam().method, {{"target_statistics", target_statistics}});
    const auto before = Snapshot(*scene.model);
    train::StopSignal stop([] { return train::Directive::kContinue; });
    ASSERT_TRUE(task->Finish(stop).ok());
    if (target_statistics) {
      ExpectStatisticsOf(*scene.model, scene.TargetInputs());
    } else {
      EXPECT_THAT(Changed(*scene.model, before), ::testing::IsEmpty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, DiscrepancyTest,
                         ::testing::Values(Case{"dan",
                                                [](const at::Tensor& source,
                                                   const at::Tensor& target) {
                                                  return losses::MkMmd(source, target);
                                                }},
                                           Case{"deep_coral", &losses::DeepCoralByCovariance}),
                         [](const auto& info) { return info.param.method; });

// The losses are taken where the source's cross entropy, alone, is highest nearby.
TEST(SdatTest, GradientIsThatAtThePerturbedWeights) {
  constexpr double kRho = 0.02;
  for (const char* method : {"deep_coral", "dann"}) {
    const auto make = [&](Scene& scene, const char* sdat) {
      at::manual_seed(4);  // of the discriminator
      return scene.Task(method, {{"batch_size", kDomainBatch}, {"sdat", std::string(sdat)}});
    };
    const auto parameters_of = [](const Scene& scene) {
      std::vector<at::Tensor> parameters;
      for (const model::Parameter& parameter : scene.model->parameters()) {
        parameter.tensor.requires_grad_(true);
        parameters.push_back(parameter.tensor);
      }
      return parameters;
    };
    train::StopSignal stop([] { return train::Directive::kContinue; });
    Scene smooth, plain;
    const std::vector<at::Tensor> smooth_parameters = parameters_of(smooth);
    const auto smooth_task = make(smooth, "on");
    const train::StepInput input = smooth.Input(kDomainBatch, 0.5);
    const auto actual = train::Gradients(smooth_task->Step(input, stop)->loss, smooth_parameters);

    const std::vector<at::Tensor> parameters = parameters_of(plain);
    const auto plain_task = make(plain, "off");
    const auto there = train::Gradients(plain_task->Step(input, stop)->loss, parameters);
    const at::Tensor logits =
        plain.model->Forward(input.source.inputs, model::Mode::kBatchStatistics).logits;
    const auto ascent =
        train::Gradients(at::cross_entropy_loss(logits, input.source.labels), parameters);
    double square = 0;
    for (const at::Tensor& gradient : ascent) square += gradient.square().sum().item<double>();
    {
      const at::NoGradGuard no_grad;
      for (size_t i = 0; i < parameters.size(); ++i) {
        parameters[i].add_(ascent[i], kRho / std::sqrt(square));
      }
    }
    const auto expected = train::Gradients(plain_task->Step(input, stop)->loss, parameters);
    double moved = 0;
    for (size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_TRUE(at::allclose(actual[i], expected[i], 1e-3, 1e-6)) << method << " " << i;
      moved = std::max(moved, (expected[i] - there[i]).abs().max().item<double>());
    }
    EXPECT_GT(moved, 1e-4) << method;
  }
}

class AlignmentTest : public ::testing::TestWithParam<const char*> {};

TEST_P(AlignmentTest, PlansStepsOverBothDomains) {
  Scene scene("mlp", {6}, 50);
  const auto task = scene.Task(GetParam(), {{"batch_size", int64_t{16}},
                                            {"steps", int64_t{7}},
                                            {"backbone_learning_rate_multiplier", 0.125}});
  const train::Plan& plan = task->plan();
  EXPECT_EQ(plan.total_steps, 7);
  EXPECT_EQ(plan.steps_per_epoch, 3);
  EXPECT_EQ(plan.source_batch_size, 16);
  EXPECT_EQ(plan.target_batch_size, 16);
  EXPECT_FALSE(plan.target_labels);
  ASSERT_GE(plan.groups.size(), 3u);
  EXPECT_EQ(plan.groups[0].parameters.front().name, "fc1.weight");
  EXPECT_EQ(plan.groups[0].learning_rate_multiplier, 0.125);
  EXPECT_EQ(plan.groups[1].parameters.front().name, "bottleneck.0.weight");
  EXPECT_EQ(plan.groups[1].learning_rate_multiplier, 1.0);
  EXPECT_EQ(plan.groups[2].parameters.front().name, "fc.weight");
  EXPECT_EQ(plan.groups[2].learning_rate_multiplier, 1.0);
}

TEST_P(AlignmentTest, TrainsEveryParameter) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task(GetParam(), {{"batch_size", int64_t{16}}, {"steps", int64_t{3}}});
  ASSERT_TRUE(scene.Train(*task).ok());
  const auto changed = Changed(*scene.model, before);
  for (const model::Parameter& parameter : scene.model->parameters()) {
    EXPECT_THAT(changed, Contains(parameter.name));
  }
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
}

INSTANTIATE_TEST_SUITE_P(Methods, AlignmentTest, ::testing::Values("dan", "dann", "deep_coral"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace acclimate::methods
