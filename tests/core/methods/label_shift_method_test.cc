// label_shift through job::Run: the prior in the report, the correction inside the saved model.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <nlohmann/json.hpp>

#include "core/methods/method.h"
#include "core/methods/registry.h"
#include "core/model/script_model.h"
#include "tests/core/job/synthetic.h"
#include "tests/core/methods/method_bench.h"

namespace acclimate::methods {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// Three overlapping clouds in the plane; classes in the given shares.
testing::Domain Clouds(const std::vector<double>& prior, int64_t samples, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor labels =
      at::tensor(prior, at::kDouble).multinomial(samples, /*replacement=*/true, generator);
  const at::Tensor centres = at::tensor({0.f, 0.f, 2.f, 0.f, 1.f, 1.8f}).view({3, 2});
  return {centres.index_select(0, labels) + at::randn({samples, 2}, generator, at::kFloat), labels};
}

// A folder with a model trained on balanced clouds, held-out source data, and a target.
const std::string& Folder() {
  static const auto* const kFolder = [] {
    auto* folder = new std::string(testing::NewFolder("label_shift"));
    const std::vector<double> even = {1, 1, 1}, shifted = {0.85, 0.05, 0.1};
    testing::WriteDomain(*folder + "/train.safetensors", Clouds(even, 900, 1));
    testing::WriteDomain(*folder + "/held_out.safetensors", Clouds(even, 3000, 2));
    testing::WriteDomain(*folder + "/target.safetensors", Clouds(shifted, 2000, 3));
    testing::WriteDomain(*folder + "/evaluation.safetensors", Clouds(shifted, 2000, 4));
    job::RunSpec spec;
    spec.method = "finetune";
    spec.architecture = "mlp";
    spec.target = testing::OpenFile(*folder + "/train.safetensors");
    spec.hyperparameters = {{"epochs", int64_t{5}}};
    spec.output_directory = *folder;
    testing::TestObserver observer;
    EXPECT_TRUE(job::Run(spec, observer).ok());
    return folder;
  }();
  return *kFolder;
}

job::RunSpec Spec(const std::string& estimator) {
  job::RunSpec spec;
  spec.method = "label_shift";
  spec.checkpoint = testing::OpenFile(Folder() + "/model.safetensors");
  spec.sources = {testing::OpenFile(Folder() + "/held_out.safetensors")};
  spec.target = testing::OpenFile(Folder() + "/target.safetensors");
  spec.evaluation = testing::OpenFile(Folder() + "/evaluation.safetensors");
  spec.hyperparameters = {{"estimator", estimator}, {"bootstrap", int64_t{50}}};
  spec.output_directory = testing::NewFolder("label_shift_out");
  return spec;
}

TEST(LabelShiftMethodTest, SaysThatMoreThanTheSharesMoved) {
  job::RunSpec spec = Spec("em");
  testing::TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  EXPECT_TRUE(observer.warnings.empty());
  testing::Domain nearer = Clouds({1, 1, 1}, 2000, 5);
  nearer.inputs = nearer.inputs * 0.3 + 0.7;  // where the three clouds meet
  const std::string path = Folder() + "/nearer.safetensors";
  testing::WriteDomain(path, nearer);
  spec.target = testing::OpenFile(path);
  ASSERT_TRUE(job::Run(spec, observer).ok());
  ASSERT_EQ(observer.warnings.size(), 1u);
  EXPECT_THAT(observer.warnings[0], HasSubstr("more than the shares moved"));
}

class LabelShiftEstimatorTest : public ::testing::TestWithParam<std::string> {};

TEST_P(LabelShiftEstimatorTest, FindsThePriorAndCorrectsTheModel) {
  const job::RunSpec spec = Spec(GetParam());
  testing::TestObserver observer;
  const absl::StatusOr<job::RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), result->metrics.at("source_accuracy") + 0.05);

  const json found =
      json::parse(testing::ReadText(spec.output_directory + "/report.json"))["label_shift"];
  const double truth[] = {0.85, 0.05, 0.1};
  double distance = 0;
  for (size_t c = 0; c < 3; ++c) {
    const double q = found["target_prior"][c];
    distance += std::abs(q - truth[c]);
    EXPECT_LE(found["target_prior_interval_95"]["low"][c], q);
    EXPECT_GE(found["target_prior_interval_95"]["high"][c], q);
    EXPECT_NEAR(found["source_prior"][c], 1 / 3.0, 0.03);
  }
  EXPECT_LT(distance, 0.1);
  const json& error = found["calibration"]["expected_calibration_error"];
  EXPECT_LT(error[1], error[0]);

  // Weights and bias of the classifier layer hold it all, in the file as it was.
  const auto changed = testing::ReadTensors(spec.output_directory + "/changed.safetensors");
  ASSERT_EQ(changed.size(), 2u);
  const auto before = testing::ReadTensors(Folder() + "/model.safetensors");
  const double t = found["calibration"]["temperature"];
  EXPECT_LT((changed.at("fc.weight") * t - before.at("fc.weight")).abs().max().item<double>(),
            1e-5);
  for (size_t c = 0; c < 3; ++c) {
    const double q = found["target_prior"][c], p = found["source_prior"][c];
    const double b = found["calibration"]["bias"][c];
    EXPECT_NEAR(changed.at("fc.bias")[c].item<double>(),
                before.at("fc.bias")[c].item<double>() / t + b + std::log(q / p), 1e-5);
  }
  job::RunSpec evaluate;
  evaluate.method = "evaluate";
  evaluate.checkpoint = testing::OpenFile(spec.output_directory + "/model.safetensors");
  evaluate.target = spec.evaluation;
  evaluate.output_directory = testing::NewFolder("evaluated");
  const absl::StatusOr<job::RunResult> again = job::Run(evaluate, observer);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->metrics.at("accuracy"), result->metrics.at("accuracy"));
}

INSTANTIATE_TEST_SUITE_P(Estimators, LabelShiftEstimatorTest,
                         ::testing::Values("em", "rlls", "bbse"),
                         [](const auto& info) { return info.param; });

TEST(LabelShiftMethodTest, ACheckpointThatPredictsNoClassTwoIsAClearError) {
  auto tensors = testing::ReadTensors(Folder() + "/model.safetensors");
  job::RunSpec spec = Spec("bbse");
  absl::StatusOr<std::unique_ptr<model::Model>> built = model::BuildArchitecture({"mlp", {2}, 3});
  ASSERT_TRUE(built.ok());
  ASSERT_TRUE((*built)->LoadStateDict(tensors).ok());
  {
    const at::NoGradGuard no_grad;
    (*built)->StateDict().at("fc.bias")[2] = -100;
  }
  const std::string path = testing::NewFolder("blind") + "/model.safetensors";
  ASSERT_TRUE((*built)->Save(path).ok());
  spec.checkpoint = testing::OpenFile(path);
  spec.hyperparameters["calibration"] = std::string("none");
  testing::TestObserver observer;
  const absl::Status status = job::Run(spec, observer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("sources: the confusion matrix is singular"));
}

// A TorchScript classifier whose forward() is `body` over x, with weight [2, 4] and bias [2].
std::unique_ptr<model::Model> Script(const std::string& body, bool with_bias) {
  torch::jit::Module module("Net");
  module.register_parameter("weight", at::randn({2, 4}), false);
  if (with_bias) module.register_parameter("bias", at::randn({2}), false);
  module.define("def forward(self, x):\n  return " + body + "\n");
  return model::ScriptModel::Create(module, {model::CheckpointForm::kTorchScript, "", {4}}).value();
}

absl::Status RunOn(model::Model& model) {
  const testing::Domain domain = testing::MakeDomain(40, {4}, 1, 2);
  const std::vector<data::Dataset> sources = {
      data::Dataset::FromTensors(domain.inputs, domain.labels, "source").value()};
  const data::Dataset target = data::Dataset::FromTensors(domain.inputs, {}, "target").value();
  const ExtraInputs extra;
  const MethodEntry& entry = *FindMethod("label_shift");
  absl::StatusOr<std::unique_ptr<train::Task>> task =
      entry.make_task({model, sources, target, at::kCPU,
                       Settings(ResolveHyperparameters(entry.spec, {}).value()), extra});
  if (!task.ok()) return task.status();
  train::StopSignal stop([] { return train::Directive::kContinue; });
  return (*task)->Step({}, stop).status();
}

TEST(LabelShiftMethodTest, WhereTheBiasCannotTakeTheCorrectionItSaysSo) {
  const auto plain = Script("torch.linear(x, self.weight, self.bias)", true);
  EXPECT_TRUE(RunOn(*plain).ok());
  const auto without = Script("torch.linear(x, self.weight, None)", false);
  EXPECT_THAT(RunOn(*without).message(), HasSubstr("the classifier layer has no bias"));
  // Logits that are scaled behind the layer: a bias there would count five times.
  const auto scaled = Script("torch.linear(x, self.weight, self.bias) * 5.0", true);
  const at::Tensor bias = scaled->StateDict().at("bias").clone();
  EXPECT_THAT(RunOn(*scaled).message(), HasSubstr("does not add to the logits as it is"));
  EXPECT_TRUE(scaled->StateDict().at("bias").equal(bias));
}

}  // namespace
}  // namespace acclimate::methods
