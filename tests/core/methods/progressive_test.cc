#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/train/pass.h"
#include "core/train/trainer.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Scene;
using testing::Snapshot;

// A fifth of it is enough to judge by; of kFew nothing can be kept aside.
constexpr int64_t kMany = 96, kFew = 12;

train::StopSignal NeverStop() {
  return train::StopSignal([] { return train::Directive::kContinue; });
}

Hyperparameters Short() {
  return {{"batch_size", int64_t{4}}, {"epochs", int64_t{1}}, {"target_statistics", false}};
}

double AccuracyOf(Scene& scene) {
  train::StopSignal stop = NeverStop();
  return train::Accuracy(
      train::ConfusionMatrix(*scene.model, scene.target, at::kCPU, stop).value());
}

nlohmann::json ProgressiveReport(const train::Task& task) {
  nlohmann::json report;
  task.Report(report);
  return report["progressive"];
}

// Every sample is of class 0.
void ForgetEverything(const model::Model& model) {
  for (const model::Parameter& parameter : model.parameters()) {
    if (!parameter.head) continue;
    parameter.tensor.detach().zero_();
    if (parameter.tensor.dim() == 1) parameter.tensor.detach()[0] = 1.0;
  }
}

TEST(ProgressiveTest, PlansOneStageAGroupAndOneForTheHead) {
  Scene scene("mlp", {6}, kMany);
  Hyperparameters given = Short();
  given["epochs"] = int64_t{2};
  given["layer_decay"] = 0.5;
  const auto task = scene.Task("progressive", given);
  const train::Plan& plan = task->plan();
  EXPECT_EQ(plan.steps_per_epoch, 24);
  EXPECT_EQ(plan.total_steps, 4 * 2 * 24);
  EXPECT_TRUE(plan.target_labels);
  ASSERT_EQ(plan.groups.size(), 4u);
  EXPECT_EQ(plan.groups[0].learning_rate_multiplier, 0.125);
  EXPECT_EQ(plan.groups[3].learning_rate_multiplier, 1.0);
  given["stages"] = int64_t{1000};
  EXPECT_EQ(scene.Task("progressive", given)->plan().total_steps, 4 * 2 * 24);
  given["stages"] = int64_t{2};
  EXPECT_EQ(scene.Task("progressive", given)->plan().total_steps, 2 * 2 * 24);
}

TEST(ProgressiveTest, StagesFreezeWhatTheySay) {
  Scene scene("mlp", {6}, kFew);
  const auto task = scene.Task("progressive", Short());
  train::Trainer trainer(*task, *scene.model, scene.sources, scene.target, {}, {});
  train::StopSignal stop = NeverStop();
  const std::vector<std::set<std::string>> added = {
      {"fc.weight", "fc.bias"},
      {"bottleneck.0.weight", "bottleneck.0.bias", "bottleneck.1.weight", "bottleneck.1.bias"},
      {"fc2.weight", "fc2.bias", "bn2.weight", "bn2.bias"},
      {"fc1.weight", "fc1.bias", "bn1.weight", "bn1.bias"}};
  const int64_t steps = task->plan().total_steps / 4;
  const auto before = Snapshot(*scene.model);
  std::set<std::string> expected;
  for (int64_t stage = 0; stage < 4; ++stage) {
    ASSERT_TRUE(trainer.RunTo((stage + 1) * steps, stop).ok());
    expected.insert(added[stage].begin(), added[stage].end());
    const auto changed = Changed(*scene.model, before);
    EXPECT_EQ(std::set<std::string>(changed.begin(), changed.end()), expected) << stage;
  }
}

TEST(ProgressiveTest, CacheChangesNothing) {
  std::map<std::string, at::Tensor> results[2];
  for (const int64_t megabytes : {0, 1024}) {
    Scene scene("mlp", {6}, kMany);
    Hyperparameters given = Short();
    given["batch_size"] = int64_t{16};
    given["cache_megabytes"] = megabytes;
    given["target_statistics"] = true;
    const auto task = scene.Task("progressive", given);
    ASSERT_TRUE(scene.Train(*task).ok());
    results[megabytes > 0] = Snapshot(*scene.model);
  }
  for (const auto& [name, tensor] : results[0]) {
    EXPECT_TRUE(at::allclose(tensor, results[1].at(name), 1e-3, 1e-4)) << name;
  }
}

class RollbackTest : public ::testing::TestWithParam<double> {};

TEST_P(RollbackTest, StageThatHurtsIsUndone) {
  Scene scene("mlp", {6}, kMany);
  const auto teacher =
      scene.Task("finetune", {{"batch_size", int64_t{16}}, {"epochs", int64_t{15}}});
  ASSERT_TRUE(scene.Train(*teacher).ok());
  ASSERT_GT(AccuracyOf(scene), 0.9);
  const auto before = Snapshot(*scene.model);

  Hyperparameters given = Short();
  given["validation_share"] = GetParam();
  const auto task = scene.Task("progressive", given);
  train::Trainer trainer(*task, *scene.model, scene.sources, scene.target, {}, {});
  train::StopSignal stop = NeverStop();
  const int64_t steps = task->plan().total_steps / 4;
  ASSERT_TRUE(trainer.RunTo(steps, stop).ok());
  ForgetEverything(*scene.model);
  ASSERT_TRUE(task->BeforeStep(steps, stop).ok());
  EXPECT_THAT(Changed(*scene.model, before), IsEmpty());
  ASSERT_TRUE(task->BeforeStep(steps, stop).ok());
  EXPECT_THAT(Changed(*scene.model, before), IsEmpty());

  ASSERT_TRUE(trainer.Run(stop).ok());
  EXPECT_GT(AccuracyOf(scene), 0.8);
  const nlohmann::json report = ProgressiveReport(*task);
  EXPECT_EQ(report["validation"], GetParam() > 0 ? "labels" : "label_free");
  ASSERT_EQ(report["stages"].size(), 4u);
  EXPECT_EQ(report["stages"][0]["kept"], false);
  EXPECT_LT(report["stages"][0]["score_after"], report["stages"][0]["score_before"]);
  EXPECT_THAT(task->Warnings(), ::testing::Contains(HasSubstr("stage 1 hurt")));
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutLabels, RollbackTest, ::testing::Values(0.2, 0.0));

TEST(ProgressiveTest, LastStageIsJudgedToo) {
  Scene scene("mlp", {6}, kMany);
  const auto teacher =
      scene.Task("finetune", {{"batch_size", int64_t{16}}, {"epochs", int64_t{15}}});
  ASSERT_TRUE(scene.Train(*teacher).ok());
  const auto task = scene.Task("progressive", Short());
  train::Trainer trainer(*task, *scene.model, scene.sources, scene.target, {}, {});
  train::StopSignal stop = NeverStop();
  ASSERT_TRUE(trainer.RunTo(task->plan().total_steps, stop).ok());
  ForgetEverything(*scene.model);
  ASSERT_TRUE(trainer.Run(stop).ok());
  EXPECT_GT(AccuracyOf(scene), 0.8);
  EXPECT_EQ(ProgressiveReport(*task)["stages"][3]["kept"], false);
}

TEST(ProgressiveTest, LearnsAndEndsWithTheTargetsStatistics) {
  Scene scene("mlp", {6}, kMany);
  EXPECT_LT(AccuracyOf(scene), 0.8);
  const auto task =
      scene.Task("progressive", {{"batch_size", int64_t{16}}, {"epochs", int64_t{10}}});
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_GT(AccuracyOf(scene), 0.9);
  testing::ExpectStatisticsOf(*scene.model, scene.TargetInputs());
  EXPECT_EQ(task->Metrics().count("validation_accuracy"), 1u);
}

TEST(ProgressiveTest, TooFewSamplesToJudgeByAreSaid) {
  Scene scene("mlp", {6}, kFew);
  const auto task = scene.Task("progressive", Short());
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_EQ(ProgressiveReport(*task)["validation"], "none");
  EXPECT_EQ(task->Metrics().at("stages_kept"), 4);
  EXPECT_THAT(task->Warnings(), ElementsAre(HasSubstr("kept without being judged")));
}

}  // namespace
}  // namespace acclimate::methods
