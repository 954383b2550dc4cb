// maml, anil and protonet: one step by hand, and whole runs.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/data/episodes.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/registry.h"
#include "core/model/architectures.h"
#include "core/train/gradients.h"
#include "tests/core/methods/base_classes.h"

namespace acclimate::methods {
namespace {

using testing::BaseClasses;
using testing::FewShotSpec;
using ::testing::HasSubstr;
using testing::OpenFile;
using testing::ReadText;
using testing::SetClassMeans;
using testing::TestObserver;

constexpr model::Mode kMode = model::Mode::kBatchStatistics;
constexpr uint64_t kEpisodeSeed = 11;

// A task over few classes and what one step of it gives; the episode is drawn again by hand.
struct OneStep {
  explicit OneStep(const std::string& method, Hyperparameters given = {}) {
    at::manual_seed(5);
    model = model::BuildArchitecture({"mlp", {6}, 3}).value();
    model->metadata()["few_shot.algorithm"] = method;  // keeps its head
    const at::Tensor labels = at::arange(40, at::kLong).remainder(5);
    target = data::Dataset::FromTensors(at::randn({40, 6}) + labels.unsqueeze(1), labels, "target")
                 .value();
    given.insert({{"ways", int64_t{3}},
                  {"shots", int64_t{2}},
                  {"queries", int64_t{4}},
                  {"meta_batch", int64_t{1}}});
    const MethodEntry& entry = *FindMethod(method);
    settings = ResolveHyperparameters(entry.spec, given).value();
    task =
        entry.make_task({*model, sources, *target, at::kCPU, Settings(settings), inputs}).value();
    std::vector<at::Tensor> moving;
    for (const train::ParameterGroup& group : task->plan().groups) {
      for (const auto& parameter : group.parameters) moving.push_back(parameter.tensor);
    }
    before = model->Clone();
    train::StopSignal stop([] { return train::Directive::kContinue; });
    at::manual_seed(kEpisodeSeed);
    output = task->Step({}, stop).value();
    gradients = train::Gradients(output.loss, moving);
    at::manual_seed(kEpisodeSeed);
    episode = data::EpisodeSampler::Create(*target, {3, 2, 4})->Next(at::kCPU);
  }

  std::unique_ptr<model::Model> model, before;
  std::vector<data::Dataset> sources;
  absl::optional<data::Dataset> target;
  ExtraInputs inputs;
  Hyperparameters settings;
  std::unique_ptr<train::Task> task;
  train::StepOutput output;
  std::vector<at::Tensor> gradients;
  data::Episode episode;
};

// `steps` plain gradient steps on the support, in place; of the head only, when said.
void Descend(model::Model& model, const data::Batch& support, int64_t steps, double rate,
             bool head_only) {
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<at::Tensor> moving;
    for (const model::Parameter& parameter : model.parameters()) {
      if (parameter.head || !head_only) moving.push_back(parameter.tensor);
    }
    const std::vector<at::Tensor> gradients = train::Gradients(
        losses::CrossEntropy(model.Forward(support.inputs, kMode).logits, support.labels), moving);
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < moving.size(); ++i) moving[i].sub_(rate * gradients[i]);
  }
}

void ExpectSameWeights(const model::Model& a, const model::Model& b) {
  const auto state = a.StateDict(), other = b.StateDict();
  for (const auto& [name, tensor] : state) EXPECT_TRUE(tensor.equal(other.at(name))) << name;
}

TEST(MamlTest, AStepAdaptsACopyAndLeavesTheWeightsBitIdentical) {
  const OneStep step(
      "maml",
      {{"head", std::string("learnt")}, {"inner_steps", int64_t{3}}, {"inner_learning_rate", 0.1}});
  ExpectSameWeights(*step.model, *step.before);
  const auto adapted = step.before->Clone();
  Descend(*adapted, step.episode.support, 3, 0.1, /*head_only=*/false);
  const at::Tensor logits = adapted->Forward(step.episode.query.inputs, kMode).logits;
  EXPECT_NEAR(step.output.loss.item<double>(),
              losses::CrossEntropy(logits, step.episode.query.labels).item<double>(), 1e-5);
  EXPECT_NEAR(step.output.values.at("episode_accuracy"),
              logits.argmax(1).eq(step.episode.query.labels).to(at::kDouble).mean().item<double>(),
              1e-12);
}

TEST(MamlTest, WithoutSecondOrderTheGradientIsThatAtTheAdaptedWeights) {
  const Hyperparameters inner = {
      {"head", std::string("learnt")}, {"inner_steps", int64_t{2}}, {"inner_learning_rate", 0.1}};
  Hyperparameters first_order = inner;
  first_order["second_order"] = false;
  const OneStep exact("maml", inner), first("maml", first_order);
  const auto adapted = first.before->Clone();
  Descend(*adapted, first.episode.support, 2, 0.1, /*head_only=*/false);
  std::vector<at::Tensor> tensors;
  for (const model::Parameter& parameter : adapted->parameters())
    tensors.push_back(parameter.tensor);
  const std::vector<at::Tensor> expected = train::Gradients(
      losses::CrossEntropy(adapted->Forward(first.episode.query.inputs, kMode).logits,
                           first.episode.query.labels),
      tensors);
  double difference = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_TRUE(first.gradients[i].allclose(expected[i], 1e-3, 1e-5));
    difference =
        std::max(difference, (exact.gradients[i] - first.gradients[i]).abs().max().item<double>());
  }
  EXPECT_NEAR(exact.output.loss.item<double>(), first.output.loss.item<double>(), 1e-5);
  EXPECT_GT(difference, 1e-3);
}

TEST(AnilTest, TheInnerLoopMovesTheHeadOnly) {
  const OneStep step(
      "anil",
      {{"head", std::string("learnt")}, {"inner_steps", int64_t{4}}, {"inner_learning_rate", 0.1}});
  ExpectSameWeights(*step.model, *step.before);
  const auto adapted = step.before->Clone();
  Descend(*adapted, step.episode.support, 4, 0.1, /*head_only=*/true);
  const at::Tensor logits = adapted->Forward(step.episode.query.inputs, kMode).logits;
  EXPECT_NEAR(step.output.loss.item<double>(),
              losses::CrossEntropy(logits, step.episode.query.labels).item<double>(), 1e-5);
  // The outer gradient reaches the features all the same.
  for (const at::Tensor& gradient : step.gradients) EXPECT_TRUE(gradient.defined());
  EXPECT_GT(step.gradients[0].abs().max().item<double>(), 0);
}

// The loss and, against differences of it, the outer gradient, which runs through the class means.
class PrototypeHeadTest : public ::testing::TestWithParam<std::string> {};

TEST_P(PrototypeHeadTest, TheInnerLoopStartsFromTheClassMeans) {
  const OneStep step(GetParam(), {{"inner_steps", int64_t{2}}, {"inner_learning_rate", 0.05}});
  ExpectSameWeights(*step.model, *step.before);
  const auto loss_moved = [&](double distance) {
    const auto moved = step.before->Clone();
    {
      const at::NoGradGuard no_grad;
      size_t i = 0;
      for (const model::Parameter& parameter : moved->parameters()) {
        if (!parameter.head) parameter.tensor.add_(step.gradients[i++], distance);
      }
    }
    SetClassMeans(*moved, step.episode.support.inputs, step.episode.support.labels);
    Descend(*moved, step.episode.support, 2, 0.05, /*head_only=*/GetParam() == "anil");
    return losses::CrossEntropy(moved->Forward(step.episode.query.inputs, kMode).logits,
                                step.episode.query.labels)
        .item<double>();
  };
  EXPECT_NEAR(step.output.loss.item<double>(), loss_moved(0), 1e-5);
  double squares = 0;
  for (const at::Tensor& gradient : step.gradients) {
    squares += gradient.square().sum().item<double>();
  }
  constexpr double kLength = 2e-3;
  const double distance = kLength / std::sqrt(squares);
  EXPECT_NEAR((loss_moved(distance) - loss_moved(-distance)) / (2 * distance), squares,
              0.02 * squares);
}

INSTANTIATE_TEST_SUITE_P(Methods, PrototypeHeadTest, ::testing::Values("maml", "anil"),
                         [](const auto& info) { return info.param; });

TEST(ProtonetTest, LogitsAreNegativeSquaredDistancesToTheClassMeans) {
  const OneStep step("protonet");
  const auto copy = step.before->Clone();
  const at::Tensor features =
      copy->Forward(at::cat({step.episode.support.inputs, step.episode.query.inputs}),
                    model::Mode::kTraining)
          .features.to(at::kDouble);
  at::Tensor logits = at::empty({12, 3}, at::kDouble);
  for (int64_t i = 0; i < 12; ++i) {
    for (int64_t k = 0; k < 3; ++k) {
      const at::Tensor mean = (features[2 * k] + features[2 * k + 1]) / 2;
      logits[i][k] = -(features[6 + i] - mean).square().sum();
    }
  }
  EXPECT_NEAR(step.output.loss.item<double>(),
              losses::CrossEntropy(logits, step.episode.query.labels).item<double>(), 1e-2);
}

class MetaTrainingTest : public ::testing::TestWithParam<std::string> {};

TEST_P(MetaTrainingTest, LearnsToLearnNewClasses) {
  job::RunSpec spec = FewShotSpec(GetParam());
  spec.hyperparameters["steps"] = int64_t{80};
  TestObserver observer;
  const auto result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  const double before = result->metrics.at("few_shot_accuracy_before");
  const double after = result->metrics.at("few_shot_accuracy");
  EXPECT_GT(after, before + 0.03);
  EXPECT_GT(after, 0.45);  // a guess has a third right
  const auto report = nlohmann::json::parse(ReadText(spec.output_directory + "/report.json"));
  EXPECT_EQ(report["few_shot"]["after"]["accuracy"], after);
  EXPECT_EQ(report["few_shot"]["validation_episodes"], 40);
  EXPECT_GT(report["few_shot"]["after"]["half_width_95"], 0);
  EXPECT_LT(report["few_shot"]["after"]["half_width_95"], 0.1);
  EXPECT_TRUE(observer.warnings.empty());
}

INSTANTIATE_TEST_SUITE_P(Methods, MetaTrainingTest, ::testing::Values("maml", "anil", "protonet"),
                         [](const auto& info) { return info.param; });

TEST(MetaTrainingTest, SaysWhatDoesNotFit) {
  const auto reason = [](const job::RunSpec& spec) {
    TestObserver observer;
    return std::string(job::Run(spec, observer).status().message());
  };
  job::RunSpec spec = FewShotSpec("maml");
  spec.hyperparameters["shots"] = int64_t{30};
  EXPECT_THAT(reason(spec), HasSubstr("target: an episode needs 3 classes of at least 35 samples"));
  spec = FewShotSpec("maml");
  spec.num_classes = 4;
  EXPECT_THAT(reason(spec), HasSubstr("hyperparameters.ways: must be the classes of the model, 4"));
  spec = FewShotSpec("protonet");
  spec.hyperparameters["ways"] = int64_t{7};
  EXPECT_THAT(reason(spec), HasSubstr("inputs[\"validation\"]: an episode needs 7 classes"));
}

}  // namespace
}  // namespace acclimate::methods
