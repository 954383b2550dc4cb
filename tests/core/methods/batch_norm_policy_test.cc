#include "core/methods/fine_tuning/batch_norm_policy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Scene;
using testing::Snapshot;

train::StopSignal Never() {
  return train::StopSignal([] { return train::Directive::kContinue; });
}

std::unique_ptr<train::Task> Task(Scene& scene, const std::string& policy, double alpha = 0.5) {
  return scene.Task("finetune", {{"batch_norm", policy},
                                 {"batch_norm_alpha", alpha},
                                 {"batch_size", int64_t{16}},
                                 {"epochs", int64_t{2}}});
}

// Gives every layer the statistics of the target, its means lowered by so many deviations: what
// follows keeps its activations.
void MoveFromTarget(Scene& scene, double deviations) {
  train::StopSignal stop = Never();
  const at::NoGradGuard no_grad;
  for (size_t layer = 0; layer < scene.model->batch_norm_layers().size(); ++layer) {
    ASSERT_TRUE(AdaptLayerStatistics(*scene.model, layer, scene.target, at::kCPU, 1.0, stop).ok());
    const model::BatchNormLayer& norm = scene.model->batch_norm_layers()[layer];
    norm.running_mean.sub_(norm.running_var.sqrt() * deviations);
  }
}

nlohmann::json ReportOf(const train::Task& task) {
  nlohmann::json report;
  task.Report(report);
  return report["batch_norm"];
}

double Density(double x, double mean, double variance) {
  return std::exp(-(x - mean) * (x - mean) / (2 * variance)) / std::sqrt(2 * M_PI * variance);
}

TEST(ChannelSimilarityTest, IsTheIntegralOfTheRootOfBothDensities) {
  const double source[][2] = {{0, 1}, {1, 2}, {-3, 0.5}}, target[][2] = {{0, 1}, {2, 1}, {1, 4}};
  for (int i = 0; i < 3; ++i) {
    constexpr double kStep = 1e-3;
    double integral = 0;
    for (double x = -40; x < 40; x += kStep) {
      integral += kStep * std::sqrt(Density(x, source[i][0], source[i][1]) *
                                    Density(x, target[i][0], target[i][1]));
    }
    const auto statistics = [](const double(&of)[2]) {
      return ChannelStatistics{at::full({1}, of[0], at::kDouble),
                               at::full({1}, of[1], at::kDouble)};
    };
    EXPECT_NEAR(ChannelSimilarity(statistics(source[i]), statistics(target[i])).item<double>(),
                integral, 1e-6);
  }
}

TEST(BatchNormPolicyTest, SourceStatisticsStay) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  ASSERT_TRUE(scene.Train(*Task(scene, "source_statistics")).ok());
  const auto changed = Changed(*scene.model, before);
  EXPECT_THAT(changed, Contains("fc1.weight"));
  EXPECT_THAT(changed, Not(Contains(HasSubstr("running"))));
}

TEST(BatchNormPolicyTest, TargetStatisticsAreThoseOfTheWholeTargetBeforeAndAfter) {
  Scene scene;
  const auto task = Task(scene, "target_statistics");
  train::StopSignal stop = Never();
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  testing::ExpectStatisticsOf(*scene.model, scene.TargetInputs());
  ASSERT_TRUE(scene.Train(*task).ok());
  testing::ExpectStatisticsOf(*scene.model, scene.TargetInputs());
}

TEST(BatchNormPolicyTest, MixtureIsTakenOnceHoweverOftenItIsBegun) {
  Scene scene;
  const auto before = Snapshot(*scene.model);
  const at::Tensor input = scene.model->BatchNormInput(0, scene.TargetInputs()).detach();
  const auto task = Task(scene, "mixed", 0.25);
  train::StopSignal stop = Never();
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  const auto once = Snapshot(*scene.model);
  EXPECT_TRUE(at::allclose(once.at("bn1.running_mean"),
                           0.75 * before.at("bn1.running_mean") + 0.25 * input.mean(0), 1e-4,
                           1e-5));
  EXPECT_TRUE(at::allclose(once.at("bn1.running_var"),
                           0.75 * before.at("bn1.running_var") + 0.25 * input.var(0, true), 1e-4,
                           1e-5));
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  EXPECT_THAT(Changed(*scene.model, once), IsEmpty());
  ASSERT_TRUE(scene.Train(*task).ok());
  EXPECT_THAT(Changed(*scene.model, once), Not(Contains(HasSubstr("running"))));
}

TEST(BatchNormPolicyTest, StoppedHalfWayItBeginsAgain) {
  Scene straight, stopped;
  train::StopSignal never = Never();
  ASSERT_TRUE(Task(straight, "auto")->BeginEpoch(0, never).ok());
  const auto task = Task(stopped, "auto");
  for (int questions = 1; questions < 8; ++questions) {
    int left = questions;
    train::StopSignal stop(
        [&left] { return --left > 0 ? train::Directive::kContinue : train::Directive::kPause; });
    if (task->BeginEpoch(0, stop).ok()) break;
  }
  ASSERT_TRUE(task->BeginEpoch(0, never).ok());
  EXPECT_THAT(Changed(*stopped.model, Snapshot(*straight.model)), IsEmpty());
}

TEST(BatchNormPolicyTest, AutoGoesByTheDistanceOfTheDomains) {
  const std::map<double, std::string> expected = {
      {0.0, "source_statistics"}, {0.75, "mixed"}, {3.0, "target_statistics"}};
  for (const auto& [deviations, policy] : expected) {
    Scene scene;
    MoveFromTarget(scene, deviations);
    const auto task = Task(scene, "auto");
    train::StopSignal stop = Never();
    ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
    const nlohmann::json report = ReportOf(*task);
    EXPECT_EQ(report["policy"], policy);
    EXPECT_NEAR(report["similarity"].get<double>(), std::exp(-deviations * deviations / 8), 5e-3);
    ASSERT_EQ(task->Warnings().size(), 1u);
    EXPECT_THAT(task->Warnings()[0], HasSubstr("batch_norm auto: similarity of the domains"));

    const auto resumed = Task(scene, "auto");
    ASSERT_TRUE(resumed->Restore(task->State()).ok());
    EXPECT_EQ(ReportOf(*resumed), report);
    EXPECT_EQ(resumed->Restore({}).code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace acclimate::methods
