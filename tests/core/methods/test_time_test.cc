// TENT, EATA, SAR, ROID, CoTTA and AdaBN, step by step, and through job::Run.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/losses/diversity_weights.h"
#include "core/losses/entropy.h"
#include "core/losses/reliable_entropy.h"
#include "core/losses/soft_likelihood_ratio.h"
#include "core/losses/symmetric_cross_entropy.h"
#include "core/methods/perturbations.h"
#include "core/methods/target_statistics.h"
#include "tests/core/job/synthetic.h"
#include "tests/core/methods/layer_normed.h"
#include "tests/core/methods/method_bench.h"

namespace acclimate::methods {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

const testing::World& Vectors() {
  static const auto* const kWorld = new testing::World("test_time", "mlp", {12});
  return *kWorld;
}

// Of the last weights, whatever the validators say of them.
json ReportOf(job::RunSpec spec) {
  spec.hyperparameters["selection"] = std::string("last");
  spec.hyperparameters["guard"] = std::string("off");
  testing::TestObserver observer;
  const absl::StatusOr<job::RunResult> result = job::Run(spec, observer);
  EXPECT_TRUE(result.ok()) << result.status();
  return json::parse(testing::ReadText(spec.output_directory + "/report.json"));
}

TEST(TestTimeTest, EveryMethodHelpsOnAnotherGainAndOffset) {
  for (const char* method : {"tent", "eata", "sar", "roid", "cotta"}) {
    const json report = ReportOf(Vectors().Spec(method));
    EXPECT_GT(report["adapted"]["accuracy"], double{report["source_only"]["accuracy"]} + 0.1)
        << method;
    EXPECT_TRUE(report["collapse_guard"]["collapsed_at_step"].is_null()) << method;
  }
}

TEST(TestTimeTest, ARunThatCollapsesIsPutBackAndStops) {
  MethodBench bench("tent", {});
  const std::vector<at::Tensor> source = bench.Weights();
  EXPECT_TRUE(bench.Step().loss.defined());
  {
    const at::NoGradGuard no_grad;  // features that are the same for every sample
    for (const train::NamedParameter& parameter : bench.moving) {
      if (parameter.name == "bottleneck.1.weight") parameter.tensor.zero_();
      if (parameter.name == "bottleneck.1.bias") parameter.tensor.fill_(500.0);
    }
  }
  int64_t step = 1;
  while (step < 20 && bench.Step(step).loss.defined()) ++step;
  ASSERT_LT(step, 20);
  EXPECT_EQ(LargestDifference(source, bench.Weights()), 0);
  EXPECT_FALSE(bench.Step(step + 1).loss.defined());
  EXPECT_THAT(bench.task->Warnings(), Contains(HasSubstr("the predictions collapsed at step")));
}

TEST(TestTimeTest, TakesTheStatisticsOfALargeTargetFromASample) {
  MethodBench bench("tent", {}, /*with_source=*/false, /*target_samples=*/6000);
  ASSERT_TRUE(bench.task->Finish(bench.stop).ok());
  const model::BatchNormLayer& layer = bench.model->batch_norm_layers().front();
  const at::Tensor mean = layer.running_mean.clone();
  ASSERT_TRUE(RecomputeStatistics(*bench.model, bench.target.front(), at::kCPU, bench.stop).ok());
  const double off =
      ((mean - layer.running_mean) / layer.running_var.sqrt()).abs().max().item<double>();
  EXPECT_GT(off, 0);
  EXPECT_LT(off, 0.15);
}

TEST(EataTest, LossIsThatOfReliableAndNovelSamples) {
  // Margins that half of the samples pass.
  const MethodBench probe("eata", {});
  const at::Tensor logits = probe.Logits().detach(), p = logits.softmax(1);
  const double share = losses::Entropy(logits).median().item<double>() / std::log(3);
  const double margin = share * std::log(3);
  at::Tensor kept = losses::ReliableSamples(logits, margin);
  at::Tensor mean = p.index({kept}).mean(0);
  const at::Tensor chosen = p.index({kept});
  const at::Tensor cosine = chosen.mv(mean) / (chosen.norm(2, {1}) * mean.norm());
  const double redundancy = cosine.median().item<double>() * std::sqrt(3);

  MethodBench bench("eata", {{"entropy_margin", share}, {"redundancy_margin", redundancy}});
  // The first batch knows no mean yet.
  EXPECT_NEAR(bench.Step().loss.item<double>(),
              losses::WeightedEntropyOf(kept, logits, margin).item<double>(), 1e-6);
  // The second drops what is like the mean, and moves it by a tenth.
  const int64_t reliable = kept.sum().item<int64_t>();
  kept = kept.logical_and(losses::NovelSamples(p, mean, redundancy / std::sqrt(3)));
  ASSERT_GT(kept.sum().item<int64_t>(), 0);
  ASSERT_LT(kept.sum().item<int64_t>(), reliable);
  const train::StepOutput second = bench.Step(1);
  EXPECT_NEAR(second.loss.item<double>(),
              losses::WeightedEntropyOf(kept, logits, margin).item<double>(), 1e-6);
  EXPECT_NEAR(second.values.at("kept"), kept.to(at::kDouble).mean().item<double>(), 1e-12);
  mean = 0.9 * mean + 0.1 * p.index({kept}).mean(0);
  EXPECT_LT((bench.task->State().at("mean_prediction") - mean).abs().max().item<double>(), 1e-6);
}

TEST(EataTest, NothingReliableMovesNothing) {
  MethodBench bench("eata", {{"entropy_margin", 1e-12}});
  EXPECT_FALSE(bench.Step().loss.defined());
}

TEST(EataTest, FisherIsTheSquaredGradientOnTheSource) {
  MethodBench bench("eata", {{"fisher_samples", int64_t{64}}, {"fisher_weight", 10.0}},
                    /*with_source=*/true);
  ASSERT_TRUE(bench.task->BeginEpoch(0, bench.stop).ok());
  // 64 of 96, evenly, in one batch.
  const at::Tensor index = at::arange(64).mul(96).floor_divide(64);
  const at::Tensor logits =
      bench.model
          ->Forward(bench.sources[0].Gather(index, at::kCPU).inputs, model::Mode::kBatchStatistics)
          .logits;
  const std::vector<at::Tensor> gradients =
      bench.Gradients(at::cross_entropy_loss(logits, logits.argmax(1)));
  double penalty = 0;
  for (size_t i = 0; i < bench.moving.size(); ++i) {
    const at::Tensor fisher = bench.task->State().at("fisher/" + bench.moving[i].name);
    EXPECT_LT((fisher - gradients[i].square()).abs().max().item<double>(), 1e-6);
    penalty += 0.01 * fisher.sum().item<double>();
  }
  ASSERT_GT(penalty, 1e-8);
  const train::StepOutput at_source = bench.Step();
  EXPECT_EQ(at_source.parts.at("fisher").item<double>(), 0);
  const at::NoGradGuard no_grad;
  for (const train::NamedParameter& parameter : bench.moving) parameter.tensor.add_(0.1);
  const at::AutoGradMode gradients_again(true);
  const train::StepOutput away = bench.Step(1);
  EXPECT_NEAR(away.parts.at("fisher").item<double>(), penalty, 1e-3 * penalty);
  EXPECT_NEAR((away.loss - away.parts.at("entropy")).item<double>(), 10 * penalty,
              0.1 * penalty + 1e-6);
}

TEST(EataTest, WithoutSourcesItIsEtaAndSaysSo) {
  job::RunSpec spec = Vectors().Spec("eata");
  EXPECT_EQ(ReportOf(spec)["eata"]["fisher_term"], true);
  spec.sources.clear();
  EXPECT_THAT(std::string(ReportOf(spec)["eata"]["form"]), HasSubstr("without the Fisher term"));
}

// The gradient of SAM: taken at theta + rho g / ||g||, with respect to theta there.
TEST(SarTest, GradientIsThatOfThePerturbedWeights) {
  MethodBench bench(
      "sar",
      {{"entropy_margin", 0.95}, {"rho", 0.3}, {"reset_threshold", 0.0}, {"frozen_share", 0.0}});
  const double margin = 0.95 * std::log(3);
  const at::Tensor logits = bench.Logits();
  const at::Tensor reliable = losses::ReliableSamples(logits, margin);
  const std::vector<at::Tensor> g = bench.Gradients(losses::EntropyOf(reliable, logits));
  double square = 0;
  for (const at::Tensor& gradient : g) square += gradient.square().sum().item<double>();
  const train::StepOutput output = bench.Step();
  const std::vector<at::Tensor> actual = bench.Gradients(output.loss);

  for (size_t i = 0; i < g.size(); ++i) {
    const at::NoGradGuard no_grad;
    bench.moving[i].tensor.add_(g[i], 0.3 / std::sqrt(square));
  }
  const at::Tensor there = bench.Logits();
  const at::Tensor kept = reliable.logical_and(losses::ReliableSamples(there, margin));
  const at::Tensor loss = losses::EntropyOf(kept, there);
  EXPECT_NEAR(output.loss.item<double>(), loss.item<double>(), 1e-6);
  EXPECT_LT(LargestDifference(actual, bench.Gradients(loss)), 1e-5);
  EXPECT_GT(LargestDifference(actual, g), 1e-4);
}

TEST(SarTest, TheAverageOfTheLossDecidesWhenToGoBack) {
  MethodBench bench("sar", {{"entropy_margin", 1.0}, {"reset_threshold", 0.3}});
  const std::vector<at::Tensor> source = bench.Weights();
  // Surer and surer, until the average is below.
  int64_t step = 0;
  double average = -1;
  for (; step < 200; ++step) {
    const at::Tensor logits = bench.Logits();
    const train::StepOutput output = bench.Step(step);
    if (!output.loss.defined()) {
      EXPECT_TRUE(output.restart_optimizer);
      EXPECT_LT(output.values.at("average_loss"), 0.3 * std::log(3));
      break;
    }
    const double loss = output.loss.item<double>();
    average = average < 0 ? loss : 0.9 * average + 0.1 * loss;
    EXPECT_NEAR(output.values.at("average_loss"), average, 1e-6);
    EXPECT_GE(average, 0.3 * std::log(3));
    const at::NoGradGuard no_grad;
    for (const train::NamedParameter& parameter : bench.moving) parameter.tensor.mul_(1.05);
  }
  ASSERT_LT(step, 200);
  EXPECT_EQ(LargestDifference(source, bench.Weights()), 0);
  json report;
  bench.task->Report(report);
  EXPECT_EQ(report["sar"]["resets"], 1);
  EXPECT_THAT(bench.task->Warnings(),
              Contains(HasSubstr("set back to the source's weights 1 time")));
}

TEST(SarTest, LeavesTheLastLayersAlone) {
  // mlp: bn1, bn2 and that of the bottleneck.
  const MethodBench all("sar", {}), shallow("sar", {{"frozen_share", 0.4}});
  EXPECT_EQ(all.moving.size(), 6u);
  EXPECT_EQ(shallow.moving.size(), 4u);
  for (const train::NamedParameter& parameter : shallow.moving) {
    EXPECT_THAT(parameter.name, ::testing::StartsWith("bn"));
  }
}

class NormalizationTest : public ::testing::TestWithParam<const char*> {};

// Every layer, and every sample, however unsure the model is of it.
Hyperparameters Unsparing(const std::string& method) {
  Hyperparameters given;
  if (method == "sar") given["frozen_share"] = 0.0;
  if (method == "sar" || method == "eata") given["entropy_margin"] = 1.0;
  if (method == "eata") given["redundancy_margin"] = 100.0;
  return given;
}

TEST_P(NormalizationTest, MovesTheScalesAndShiftsOfLayerAndGroupNorm) {
  MethodBench bench(GetParam(), Unsparing(GetParam()), /*with_source=*/false, /*target_samples=*/64,
                    [] { return testing::LayerNormed(); });
  std::vector<std::string> names;
  for (const train::NamedParameter& parameter : bench.moving) names.push_back(parameter.name);
  EXPECT_THAT(names,
              ::testing::ElementsAre("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"));
  const train::StepOutput output = bench.Step();
  ASSERT_TRUE(output.loss.defined());
  for (const at::Tensor& gradient : bench.Gradients(output.loss)) {
    ASSERT_TRUE(gradient.defined());
    EXPECT_GT(gradient.abs().max().item<double>(), 0);
  }
  EXPECT_TRUE(bench.task->Finish(bench.stop).ok());
}

INSTANTIATE_TEST_SUITE_P(Methods, NormalizationTest,
                         ::testing::Values("tent", "eata", "sar", "roid"),
                         [](const auto& info) { return std::string(info.param); });

// Through a whole run, from a TorchScript file.
TEST(NormalizationJobTest, AModelWithoutBatchNormIsAdapted) {
  at::manual_seed(3);
  const std::string path = testing::NewFolder("layer_normed") + "/model.pt";
  ASSERT_TRUE(testing::LayerNormed()->Save(path).ok());
  for (const char* method : {"tent", "eata", "sar", "roid"}) {
    job::RunSpec spec = Vectors().Spec(method);
    spec.checkpoint = testing::OpenFile(path);
    for (const auto& [name, value] : Unsparing(method)) spec.hyperparameters[name] = value;
    ReportOf(spec);
    const auto changed = testing::ReadTensors(spec.output_directory + "/changed.safetensors");
    EXPECT_EQ(changed.count("norm1.weight"), 1u) << method;
    EXPECT_EQ(changed.count("fc1.weight"), 0u) << method;
  }
}

TEST(NormalizationJobTest, AModelThatCannotBeAdaptedSoIsRefused) {
  const std::string path = testing::NewFolder("without_scales") + "/model.pt";
  ASSERT_TRUE(testing::LayerNormed(/*affine=*/false)->Save(path).ok());
  for (const char* method : {"tent", "eata", "sar", "roid"}) {
    job::RunSpec spec = Vectors().Spec(method);
    spec.checkpoint = testing::OpenFile(path);
    testing::TestObserver observer;
    const absl::Status status = job::Run(spec, observer).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << method;
    EXPECT_THAT(status.message(), HasSubstr("needs layers that normalise")) << method;
  }
}

TEST(RoidTest, LossIsThatOfDiverseAndSureSamplesAndTheirViews) {
  MethodBench bench("roid", {{"temperature", 0.5}});
  const at::Tensor logits = bench.Logits();
  at::Tensor mean = at::full({3}, 1.0 / 3);
  at::manual_seed(5);
  const at::Tensor view = Perturbed(bench.Input().target.inputs, {});
  const at::Tensor weights = losses::DiversityWeights(logits, mean, 0.5);
  const at::Tensor view_logits = bench.model->Forward(view, model::Mode::kBatchStatistics).logits;
  const at::Tensor loss = (weights * (losses::SoftLikelihoodRatio(logits) +
                                      losses::SymmetricCrossEntropy(view_logits, logits)))
                              .sum() /
                          64;
  const std::vector<at::Tensor> gradients = bench.Gradients(loss);
  at::manual_seed(5);
  const train::StepOutput output = bench.Step();
  EXPECT_NEAR(output.loss.item<double>(), loss.item<double>(), 1e-5);
  EXPECT_LT(LargestDifference(bench.Gradients(output.loss), gradients), 1e-5);
  // The mean prediction that the next batch is held against.
  mean = 0.9 * mean + 0.1 * logits.softmax(1).mean(0);
  EXPECT_LT((bench.task->State().at("mean_prediction") - mean).abs().max().item<double>(), 1e-6);
  const at::Tensor next = losses::DiversityWeights(logits, mean.detach(), 0.5);
  EXPECT_GT((next - weights).abs().max().item<double>(), 1e-4);
  const train::StepOutput second = bench.Step(1);
  EXPECT_NEAR(second.parts.at("certainty").item<double>(),
              (next * losses::SoftLikelihoodRatio(logits)).mean().item<double>(), 1e-5);
}

TEST(RoidTest, WeightsStayTiedToTheSource) {
  MethodBench bench("roid", {{"source_momentum", 0.75}});
  const std::vector<at::Tensor> source = bench.Weights();
  bench.Step();
  {
    const at::NoGradGuard no_grad;  // what the optimiser does
    for (const train::NamedParameter& parameter : bench.moving) parameter.tensor.add_(0.4);
  }
  bench.task->AfterStep(1);
  std::vector<at::Tensor> expected;
  for (const at::Tensor& weight : source) expected.push_back(weight + 0.75 * 0.4);
  EXPECT_LT(LargestDifference(bench.Weights(), expected), 1e-6);
}

TEST(RoidTest, AnswersAreCorrectedByTheBatchsShares) {
  MethodBench plain("roid", {{"prior_correction", false}}), corrected("roid", {});
  const at::Tensor logits = plain.Logits().detach();
  EXPECT_TRUE(plain.Step().target_logits.equal(logits));
  const at::Tensor answers = corrected.Step().target_logits;
  std::vector<double> prior(3, 0.0);
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t i = 0; i < 64; ++i) prior[c] += logits.softmax(1)[i][c].item<double>() / 64;
  }
  const double largest = *std::max_element(prior.begin(), prior.end());
  const double smoothing = 1.0 / 3 / largest;  // 3 classes are fewer than 64 samples
  for (int64_t c = 0; c < 3; ++c) {
    const double factor = 3 * (prior[c] + smoothing) / (1 + smoothing * 3);
    EXPECT_LT((answers.select(1, c) - factor * logits.select(1, c)).abs().max().item<double>(),
              1e-5);
  }
}

TEST(CottaTest, TheTeacherIsTheMovingAverageAndIsKept) {
  MethodBench bench(
      "cotta", {{"teacher_momentum", 0.75}, {"restore_rate", 0.0}, {"confidence_threshold", 0.0}});
  const std::vector<at::Tensor> source = bench.Weights();
  const at::Tensor plain = bench.Logits();
  const train::StepOutput output = bench.Step();
  EXPECT_TRUE(output.target_logits.equal(plain.detach()));
  {
    const at::NoGradGuard no_grad;  // what the optimiser does
    for (const train::NamedParameter& parameter : bench.moving) parameter.tensor.add_(0.4);
  }
  ASSERT_TRUE(bench.task->Finish(bench.stop).ok());
  std::vector<at::Tensor> expected;
  for (const at::Tensor& weight : source) expected.push_back(weight + 0.25 * 0.4);
  EXPECT_LT(LargestDifference(bench.Weights(), expected), 1e-6);
  ASSERT_TRUE(bench.task->Finish(bench.stop).ok());  // as after a stop
  EXPECT_LT(LargestDifference(bench.Weights(), expected), 1e-6);
}

TEST(CottaTest, SomeWeightsReturnToTheSource) {
  MethodBench bench("cotta", {{"restore_rate", 0.3}, {"confidence_threshold", 0.0}});
  const std::vector<at::Tensor> source = bench.Weights();
  bench.Step();
  {
    const at::NoGradGuard no_grad;
    for (const train::NamedParameter& parameter : bench.moving) parameter.tensor.add_(1.0);
  }
  bench.Step(1);
  int64_t returned = 0, all = 0;
  for (size_t i = 0; i < source.size(); ++i) {
    returned += bench.moving[i].tensor.eq(source[i]).sum().item<int64_t>();
    all += source[i].numel();
  }
  EXPECT_NEAR(static_cast<double>(returned) / static_cast<double>(all), 0.3, 0.01);
}

TEST(CottaTest, AnUnsureSourceMeansAugmentedViews) {
  MethodBench sure("cotta", {{"confidence_threshold", 0.0}});
  MethodBench unsure("cotta", {{"confidence_threshold", 1.0}, {"augmentations", int64_t{3}}});
  const at::Tensor plain = sure.Step().target_logits, views = unsure.Step().target_logits;
  EXPECT_FALSE(plain.equal(views));
  EXPECT_LT((plain - views).abs().mean().item<double>(), 0.5 * plain.std().item<double>());
}

// Half and half: the source counts for as many samples as the target has.
TEST(AdabnPriorTest, PriorSamplesMixTheStatistics) {
  job::RunSpec whole = Vectors().Spec("adabn"), mixed = Vectors().Spec("adabn");
  mixed.hyperparameters["prior_samples"] = 90.0;
  ReportOf(whole);
  ReportOf(mixed);
  const auto read = [](const std::string& path) {
    return testing::ReadTensors(path).at("bn1.running_mean").to(at::kDouble);
  };
  const at::Tensor before = read(Vectors().Path("model.safetensors"));
  const at::Tensor target = read(whole.output_directory + "/model.safetensors");
  const at::Tensor half = read(mixed.output_directory + "/model.safetensors");
  EXPECT_GT((before - target).abs().max().item<double>(), 0.5);
  EXPECT_LT((half - (before + target) / 2).abs().max().item<double>(), 1e-4);
}

TEST(LameTest, CorrectsPredictionsAndWritesNoModel) {
  job::RunSpec spec = Vectors().Spec("lame");
  spec.target = testing::OpenFile(Vectors().Path("labelled_target.safetensors"));
  spec.hyperparameters["neighbors"] = int64_t{7};
  testing::TestObserver observer;
  const absl::StatusOr<job::RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->files,
              ::testing::ElementsAre("probabilities.safetensors", "report.json", "report.html"));
  const auto predictions =
      testing::ReadTensors(spec.output_directory + "/probabilities.safetensors");
  const at::Tensor labels = predictions.at("prediction");
  ASSERT_EQ(labels.size(0), 90);
  EXPECT_TRUE(predictions.at("probabilities").argmax(1).equal(labels));
  // The report counts them against the labels of the target's file.
  const at::Tensor truth =
      testing::ReadTensors(Vectors().Path("labelled_target.safetensors")).at("labels");
  EXPECT_DOUBLE_EQ(result->metrics.at("accuracy"),
                   labels.eq(truth).to(at::kDouble).mean().item<double>());
  EXPECT_EQ(result->metrics.count("source_accuracy"), 1u);
  // Without labels: the same predictions, and no accuracy.
  spec.target = testing::OpenFile(Vectors().Path("target.safetensors"));
  const absl::StatusOr<job::RunResult> unlabelled = job::Run(spec, observer);
  ASSERT_TRUE(unlabelled.ok()) << unlabelled.status();
  EXPECT_EQ(unlabelled->metrics.count("accuracy"), 0u);
  EXPECT_TRUE(testing::ReadTensors(spec.output_directory + "/probabilities.safetensors")
                  .at("prediction")
                  .equal(labels));
}

}  // namespace
}  // namespace acclimate::methods
