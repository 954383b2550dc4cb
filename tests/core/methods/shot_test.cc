#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/methods/plain_pseudo_labels.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using ::testing::Contains;
using testing::ExpectStatisticsOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::OfTheBatch;
using testing::PlainPseudoLabels;
using testing::ReferenceMlp;
using testing::Scene;
using testing::Snapshot;

Hyperparameters Short(bool target_statistics = true) {
  return {{"batch_size", int64_t{16}},
          {"epochs", int64_t{2}},
          {"beta", 0.25},
          {"target_statistics", target_statistics}};
}

train::StopSignal Never() {
  return train::StopSignal([] { return train::Directive::kContinue; });
}

std::vector<int64_t> PseudoLabelsOf(const train::Task& task) {
  const at::Tensor labels = task.State().at("pseudo_labels").contiguous();
  return {labels.data_ptr<int64_t>(), labels.data_ptr<int64_t>() + labels.numel()};
}

// Those that the model, as it stands in evaluation mode, gives the whole target.
std::vector<int64_t> Expected(Scene& scene) {
  const at::NoGradGuard no_grad;
  const model::ForwardResult result =
      scene.model->Forward(scene.TargetInputs(), model::Mode::kEvaluation);
  return PlainPseudoLabels(result.features, result.logits.softmax(1));
}

TEST(ShotTest, HeadStaysBitIdentical) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task("shot", Short());
  ASSERT_TRUE(scene.Train(*task).ok());
  const auto changed = Changed(*scene.model, before);
  EXPECT_THAT(changed, Not(Contains("fc.weight")));
  EXPECT_THAT(changed, Not(Contains("fc.bias")));
  for (const model::Parameter& parameter : scene.model->parameters()) {
    if (parameter.head) continue;
    EXPECT_THAT(changed, Contains(parameter.name));
  }
}

TEST(ShotTest, EpochBeginsWithTheTargetsStatisticsAndItsPseudoLabels) {
  Scene scene;
  const auto task = scene.Task("shot", Short());
  train::StopSignal stop = Never();
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
  EXPECT_EQ(PseudoLabelsOf(*task), Expected(scene));
}

TEST(ShotTest, LaterEpochsRefreshThePseudoLabelsAlone) {
  Scene scene;
  const auto task = scene.Task("shot", Short());
  train::StopSignal stop = Never();
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  const auto first = PseudoLabelsOf(*task);
  for (const model::Parameter& parameter : scene.model->parameters()) {
    if (parameter.head) parameter.tensor.detach().neg_();
  }
  const auto before = Snapshot(*scene.model);
  ASSERT_TRUE(task->BeginEpoch(1, stop).ok());
  EXPECT_EQ(PseudoLabelsOf(*task), Expected(scene));
  EXPECT_NE(PseudoLabelsOf(*task), first);
  EXPECT_THAT(Changed(*scene.model, before), IsEmpty());
}

TEST(ShotTest, StatisticsStayWhenToldSo) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task("shot", Short(/*target_statistics=*/false));
  train::StopSignal stop = Never();
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  ASSERT_TRUE(task->Finish(stop).ok());
  EXPECT_THAT(Changed(*scene.model, before), IsEmpty());
  EXPECT_EQ(PseudoLabelsOf(*task), Expected(scene));
}

TEST(ShotTest, LossEqualsItsDefinition) {
  Scene scene;
  const auto task = scene.Task("shot", Short());
  train::StopSignal stop = Never();
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  const train::StepInput input = scene.Input(16);
  const at::Tensor p =
      ReferenceMlp(*scene.model).Forward(input.target.inputs, OfTheBatch).logits.softmax(1);
  const absl::StatusOr<train::StepOutput> output = task->Step(input, stop);
  ASSERT_TRUE(output.ok()) << output.status();

  const at::Tensor mean = p.mean(0);
  const double information =
      (-(p * p.log()).sum(1).mean() + (mean * mean.log()).sum()).item<double>();
  const auto labels = PseudoLabelsOf(*task);
  double cross_entropy = 0;
  for (int64_t i = 0; i < 16; ++i) {
    const int64_t label = labels[input.target_index[i].item<int64_t>()];
    cross_entropy -= std::log(p[i][label].item<double>()) / 16;
  }
  EXPECT_NEAR(output->parts.at("information_maximization").item<double>(), information, 1e-5);
  EXPECT_NEAR(output->parts.at("pseudo_label").item<double>(), cross_entropy, 1e-5);
  EXPECT_NEAR(output->loss.item<double>(), information + 0.25 * cross_entropy, 1e-5);
}

TEST(ShotTest, EndsWithTheTargetsStatistics) {
  Scene scene;
  const auto task = scene.Task("shot", Short());
  ASSERT_TRUE(scene.Train(*task).ok());
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
}

TEST(ShotTest, BackboneMovesAtItsOwnRate) {
  Scene scene;
  Hyperparameters given = Short();
  given["backbone_learning_rate_multiplier"] = 0.125;
  const auto task = scene.Task("shot", given);
  const auto& groups = task->plan().groups;
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].learning_rate_multiplier, 0.125);
  EXPECT_EQ(groups[0].parameters.front().name, "fc1.weight");
  EXPECT_EQ(groups[1].learning_rate_multiplier, 1.0);
  EXPECT_EQ(groups[1].parameters.front().name, "bottleneck.0.weight");
  EXPECT_EQ(task->plan().total_steps, 2 * (48 / 16));
}

TEST(ShotTest, PseudoLabelsOfAnotherTargetAreRefused) {
  Scene scene;
  const auto task = scene.Task("shot", Short());
  const absl::Status status = task->Restore({{"pseudo_labels", at::zeros({47}, at::kLong)}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("pseudo-labels"));
}

}  // namespace
}  // namespace acclimate::methods
