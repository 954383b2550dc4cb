#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::ExpectStatisticsOf;
using testing::OfTheBatch;
using testing::ReferenceMlp;
using testing::Scene;

constexpr int64_t kAadBatch = 16, kAadNeighbors = 3;

Hyperparameters AadSettings(const std::string& beta) {
  return {{"batch_size", kAadBatch},
          {"epochs", int64_t{2}},
          {"neighbors", kAadNeighbors},
          {"beta", beta},
          {"augment", std::string("none")}};
}

train::StopSignal NoStop() {
  return train::StopSignal([] { return train::Directive::kContinue; });
}

at::Tensor UnitLength(const at::Tensor& rows) { return rows / rows.norm(2, {1}, /*keepdim=*/true); }

TEST(AadTest, BanksHoldTheTargetUnderItsOwnStatistics) {
  Scene scene;
  const auto task = scene.Task("aad", AadSettings("2"));
  train::StopSignal stop = NoStop();
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
  const model::ForwardResult expected =
      scene.model->Forward(scene.TargetInputs(), model::Mode::kEvaluation);
  EXPECT_TRUE(
      at::allclose(task->State().at("feature_bank"), UnitLength(expected.features), 1e-4, 1e-5));
  EXPECT_TRUE(
      at::allclose(task->State().at("prediction_bank"), expected.logits.softmax(1), 1e-4, 1e-5));
}

TEST(AadTest, LossEqualsItsDefinition) {
  Scene scene;
  const auto task = scene.Task("aad", AadSettings("2"));
  train::StopSignal stop = NoStop();
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  train::StepInput input = scene.Input(kAadBatch);
  input.step = 3;
  at::Tensor bank = task->State().at("feature_bank").to(at::kDouble).clone();
  at::Tensor scores = task->State().at("prediction_bank").to(at::kDouble).clone();
  const model::ForwardResult result =
      ReferenceMlp(*scene.model).Forward(input.target.inputs, OfTheBatch);
  const at::Tensor features = UnitLength(result.features.to(at::kDouble));
  const at::Tensor p = result.logits.softmax(1).to(at::kDouble);
  for (int64_t i = 0; i < kAadBatch; ++i) {
    const int64_t place = input.target_index[i].item<int64_t>();
    bank[place].copy_(features[i]);
    scores[place].copy_(p[i]);
  }
  // 2 epochs of 3 steps: t / T is 3 / 6.
  const double dispersal = std::pow(1 + 10 * 0.5, -2.0);
  double expected = 0;
  for (int64_t i = 0; i < kAadBatch; ++i) {
    std::vector<std::pair<double, int64_t>> others;
    for (int64_t j = 0; j < bank.size(0); ++j) {
      if (j == input.target_index[i].item<int64_t>()) continue;
      others.emplace_back(-features[i].dot(bank[j]).item<double>(), j);
    }
    std::sort(others.begin(), others.end());
    for (int64_t k = 0; k < kAadNeighbors; ++k) {
      expected -= p[i].dot(scores[others[k].second]).item<double>() / kAadBatch;
    }
    for (int64_t m = 0; m < kAadBatch; ++m) {
      if (m != i) expected += dispersal * p[i].dot(p[m]).item<double>() / kAadBatch;
    }
  }
  const absl::StatusOr<train::StepOutput> output = task->Step(input, stop);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_NEAR(output->loss.item<double>(), expected, 1e-4);
  EXPECT_TRUE(
      at::allclose(task->State().at("prediction_bank").to(at::kDouble), scores, 1e-4, 1e-5));
}

TEST(AadTest, ChoosesBetaByShortRunsThatLeaveTheModelAlone) {
  Scene scene;
  const auto weight = [&] { return scene.model->StateDict().at("fc.weight").detach().clone(); };
  const at::Tensor before = weight();
  const auto task = scene.Task("aad", AadSettings("auto"));
  EXPECT_EQ(task->State().at("beta").item<double>(), -1);
  train::StopSignal stop = NoStop();
  at::manual_seed(3);
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  EXPECT_TRUE(at::equal(weight(), before));
  nlohmann::json report;
  task->Report(report);
  EXPECT_THAT(report["aad"]["beta"].get<double>(), ::testing::AnyOf(0, 1, 2, 5));
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_FALSE(at::equal(weight(), before));
  ExpectStatisticsOf(*scene.model, scene.TargetInputs());
}

TEST(AadTest, AStopAmongTheTrialsIsNoChoice) {
  Scene scene;
  const auto task = scene.Task("aad", AadSettings("auto"));
  int64_t asked = 0;
  train::StopSignal stop(
      [&] { return ++asked > 8 ? train::Directive::kCancel : train::Directive::kContinue; });
  EXPECT_EQ(task->BeginEpoch(0, stop).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(task->State().at("beta").item<double>(), -1);
}

TEST(AadTest, FewSamplesHaveFewNeighbours) {
  Scene scene("mlp", {6}, 3);
  Hyperparameters given = AadSettings("1");
  given["neighbors"] = int64_t{5};
  const auto task = scene.Task("aad", given);
  EXPECT_TRUE(scene.Train(*task).ok());
}

}  // namespace
}  // namespace acclimate::methods
