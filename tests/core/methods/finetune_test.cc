#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/methods/registry.h"
#include "core/train/pass.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using ::testing::HasSubstr;
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

// The step's penalty under its name, as the model stands.
double PenaltyOf(Scene& scene, train::Task& task, const std::string& name) {
  train::StopSignal stop([] { return train::Directive::kContinue; });
  const absl::StatusOr<train::StepOutput> output = task.Step(scene.Input(12), stop);
  EXPECT_TRUE(output.ok()) << output.status();
  const double penalty = output->parts.at(name).item<double>();
  EXPECT_NEAR(output->loss.item<double>(),
              output->parts.at("cross_entropy").item<double>() + penalty, 1e-5);
  return penalty;
}

double SquaredLength(const at::Tensor& tensor) {
  return tensor.detach().to(at::kDouble).square().sum().item<double>();
}

double HeadDecay(const Scene& scene, double weight_decay) {
  double sum = 0;
  for (const model::Parameter& parameter : scene.model->parameters()) {
    if (parameter.head) sum += SquaredLength(parameter.tensor);
  }
  return weight_decay / 2 * sum;
}

Hyperparameters Regularized(const std::string& name) {
  return {{"regularizer", name},
          {"weight_decay", 0.5},
          {"l2_weight", 0.25},
          {"delta_weight", 2.0},
          {"bss_weight", 0.125},
          {"bss_singular_values", int64_t{2}},
          {"batch_norm", std::string("source_statistics")}};
}

TEST(FinetuneTest, LayersFarFromTheHeadLearnMoreSlowly) {
  Scene scene;
  const auto task = scene.Task("finetune", {{"layer_decay", 0.1}});
  for (const train::ParameterGroup& group : task->plan().groups) {
    for (const train::NamedParameter& parameter : group.parameters) {
      double expected = 1.0;
      if (parameter.name.rfind("bottleneck", 0) == 0) expected = 0.1;
      if (parameter.name == "fc2.weight") expected = 0.01;
      if (parameter.name == "fc1.weight") expected = 0.001;
      if (parameter.name.rfind("bn", 0) == 0 || parameter.name == "fc1.bias" ||
          parameter.name == "fc2.bias") {
        continue;
      }
      EXPECT_NEAR(group.learning_rate_multiplier, expected, 1e-12) << parameter.name;
    }
  }
}

TEST(FinetuneTest, L2TakesTheOptimisersPlace) {
  Scene scene;
  const auto task = scene.Task("finetune", Regularized("l2"));
  double sum = 0;
  for (const model::Parameter& parameter : scene.model->parameters()) {
    sum += SquaredLength(parameter.tensor);
  }
  EXPECT_NEAR(PenaltyOf(scene, *task, "l2"), 0.25 / 2 * sum, 1e-3);
  EXPECT_EQ(task->plan().optimizer.weight_decay, 0);
}

TEST(FinetuneTest, L2SpMeasuresTheWayFromTheCheckpoint) {
  Scene scene;
  const auto task = scene.Task("finetune", Regularized("l2_sp"));
  EXPECT_EQ(task->plan().optimizer.weight_decay, 0);
  const double head = HeadDecay(scene, 0.5);
  EXPECT_NEAR(PenaltyOf(scene, *task, "l2_sp"), head, 1e-5);
  at::Tensor bias = scene.model->StateDict().at("fc1.bias").detach();
  bias.add_(0.5);
  EXPECT_NEAR(PenaltyOf(scene, *task, "l2_sp"),
              head + 0.25 / 2 * 0.25 * static_cast<double>(bias.numel()), 1e-3);
}

TEST(FinetuneTest, DeltaWeighsFiltersByWhatTheLossLosesWithoutThem) {
  Scene scene;
  const auto task = scene.Task("finetune", Regularized("delta"));
  train::StopSignal stop([] { return train::Directive::kContinue; });
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  const train::TensorMap state = task->State();
  const at::NoGradGuard no_grad;
  const at::Tensor index = at::arange(32, at::kLong).mul(48).floor_divide(32);
  const data::Batch batch = scene.target.Gather(index, at::kCPU);
  const at::Tensor features = scene.model->Forward(batch.inputs, model::Mode::kEvaluation).features;
  const auto loss = [&](const at::Tensor& seen) {
    const at::Tensor log_p = scene.model->ClassifyFeatures(seen).to(at::kDouble).log_softmax(1);
    return -log_p.gather(1, batch.labels.unsqueeze(1)).mean().item<double>();
  };
  const double whole = loss(features);
  std::vector<double> rises;
  double sum = 0;
  for (int64_t filter = 0; filter < features.size(1); ++filter) {
    at::Tensor silenced = features.clone();
    silenced.select(1, filter).zero_();
    rises.push_back(std::exp(loss(silenced) - whole));
    sum += rises.back();
  }
  const at::Tensor attention = state.at("attention/2");
  ASSERT_EQ(attention.size(0), features.size(1));
  for (int64_t filter = 0; filter < features.size(1); ++filter) {
    EXPECT_NEAR(attention[filter].item<double>(), rises[filter] / sum, 1e-5);
  }
}

TEST(FinetuneTest, DeltaIsZeroAtTheStartAndGrowsFromThere) {
  Scene scene;
  const auto task = scene.Task("finetune", Regularized("delta"));
  train::StopSignal stop([] { return train::Directive::kContinue; });
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  const double head = HeadDecay(scene, 0.5);
  EXPECT_NEAR(PenaltyOf(scene, *task, "delta"), head, 1e-5);
  at::Tensor bias = scene.model->StateDict().at("fc1.bias").detach();
  bias.add_(0.5);
  EXPECT_GT(PenaltyOf(scene, *task, "delta"), head + 1e-3);

  const auto resumed = scene.Task("finetune", Regularized("delta"));
  ASSERT_TRUE(resumed->Restore(task->State()).ok());
  EXPECT_TRUE(resumed->State().at("attention/0").equal(task->State().at("attention/0")));
  EXPECT_EQ(resumed->Restore({}).code(), absl::StatusCode::kInvalidArgument);
}

TEST(FinetuneTest, BssIsOfTheBatchsFeatures) {
  Scene scene;
  const auto task = scene.Task("finetune", Regularized("bss"));
  EXPECT_EQ(task->plan().optimizer.weight_decay, 0.5);
  const at::NoGradGuard no_grad;
  const at::Tensor features =
      scene.model->Forward(scene.Input(12).target.inputs, model::Mode::kEvaluation)
          .features.to(at::kDouble);
  const at::Tensor squares = std::get<0>(at::linalg_eigh(features.mm(features.t()), "L"));
  const double expected = 0.125 * (squares[0].item<double>() + squares[1].item<double>());
  EXPECT_NEAR(PenaltyOf(scene, *task, "bss"), expected, 1e-4 * (1 + expected));
}

TEST(FinetuneTest, EveryRegularizerTrains) {
  for (const char* name : {"l2", "l2_sp", "delta", "bss"}) {
    Scene scene;
    const auto task = scene.Task(
        "finetune",
        {{"regularizer", std::string(name)}, {"batch_size", int64_t{16}}, {"epochs", int64_t{15}}});
    ASSERT_TRUE(scene.Train(*task).ok()) << name;
    train::StopSignal stop([] { return train::Directive::kContinue; });
    EXPECT_GT(
        train::Accuracy(train::ConfusionMatrix(*scene.model, scene.target, at::kCPU, stop).value()),
        0.9)
        << name;
  }
}

TEST(FinetuneTest, WhatRefersToACheckpointNeedsOne) {
  const MethodEntry* entry = FindMethod("finetune");
  const std::vector<Hyperparameters> cases = {{{"regularizer", std::string("l2_sp")}},
                                              {{"regularizer", std::string("delta")}},
                                              {{"batch_norm", std::string("auto")}}};
  for (const Hyperparameters& given : cases) {
    Scene scene;
    const Settings settings(ResolveHyperparameters(entry->spec, given).value());
    const auto task = entry->make_task({*scene.model,
                                        scene.sources,
                                        scene.target,
                                        at::kCPU,
                                        settings,
                                        scene.inputs,
                                        {},
                                        0,
                                        /*fresh=*/true});
    EXPECT_EQ(task.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(task.status().message(), HasSubstr("hyperparameters." + given.begin()->first));
  }
}

}  // namespace
}  // namespace acclimate::methods
