// adapt_few_shot on what the meta-learning methods made.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/losses/cross_entropy.h"
#include "core/model/checkpoint.h"
#include "core/train/gradients.h"
#include "tests/core/methods/base_classes.h"

namespace acclimate::methods {
namespace {

using testing::Domain;
using testing::FewShotSpec;
using ::testing::HasSubstr;
using testing::NewFolder;
using testing::OpenFile;
using testing::ReadText;
using testing::SetClassMeans;
using testing::TestObserver;
using testing::WriteDomain;

// Three of the classes that were held out. `each` samples of each.
Domain NewClasses(int64_t each, uint64_t seed) {
  return testing::ClassesOf(testing::NoisyClouds(each, seed), 22, 25);
}

// Trains with `method`, then adapts to `shots` examples a class.
job::RunSpec AdaptationSpec(const std::string& method, int64_t shots) {
  job::RunSpec train = FewShotSpec(method);
  train.hyperparameters["steps"] = int64_t{80};
  train.hyperparameters["validation_episodes"] = int64_t{2};
  TestObserver observer;
  EXPECT_TRUE(job::Run(train, observer).ok());
  job::RunSpec spec;
  spec.method = "adapt_few_shot";
  spec.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  spec.output_directory = NewFolder("adapted");
  const std::string examples = spec.output_directory + "/examples",
                    evaluation = spec.output_directory + "/evaluation";
  WriteDomain(examples, NewClasses(shots, 21));
  WriteDomain(evaluation, NewClasses(40, 22));
  spec.target = OpenFile(examples);
  spec.evaluation = OpenFile(evaluation);
  return spec;
}

class AdaptFewShotTest : public ::testing::TestWithParam<std::string> {};

TEST_P(AdaptFewShotTest, LearnsNewClassesInTheStepsThatTheModelWasTrainedFor) {
  job::RunSpec spec = AdaptationSpec(GetParam(), 5);
  TestObserver observer;
  const auto result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), 0.6);
  EXPECT_GT(result->metrics.at("accuracy"), result->metrics.at("source_accuracy"));
  const auto report = nlohmann::json::parse(ReadText(spec.output_directory + "/report.json"));
  EXPECT_EQ(report["few_shot"]["algorithm"], GetParam());
  EXPECT_EQ(report["few_shot"]["examples"], 15);
  EXPECT_EQ(report["steps"], GetParam() == "protonet" ? 1 : 5);
  if (GetParam() == "protonet") return;
  EXPECT_EQ(report["few_shot"]["learning_rate"], 0.4);

  // Batch-norm statistics of unlabelled samples where there are some.
  spec.inputs["unlabelled"] = spec.evaluation;
  const auto transductive = job::Run(spec, observer);
  ASSERT_TRUE(transductive.ok()) << transductive.status();
  EXPECT_GT(transductive->metrics.at("accuracy"), 0.7);
}

INSTANTIATE_TEST_SUITE_P(Methods, AdaptFewShotTest, ::testing::Values("maml", "anil", "protonet"),
                         [](const auto& info) { return info.param; });

// From the class means, as the model was trained.
TEST(AdaptFewShotTest, StepsArePlainGradientDescentOnAllExamples) {
  job::RunSpec spec = AdaptationSpec("maml", 2);
  spec.hyperparameters = {{"steps", int64_t{3}}, {"learning_rate", 0.05}};
  TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  const auto expected = model::LoadCheckpoint(spec.checkpoint, {"", {24}}).value();
  const Domain examples = NewClasses(2, 21);
  SetClassMeans(*expected, examples.inputs, examples.labels);
  for (int step = 0; step < 3; ++step) {
    std::vector<at::Tensor> tensors;
    for (const auto& parameter : expected->parameters()) tensors.push_back(parameter.tensor);
    const at::Tensor logits =
        expected->Forward(examples.inputs, model::Mode::kBatchStatistics).logits;
    const auto gradients = train::Gradients(losses::CrossEntropy(logits, examples.labels), tensors);
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < tensors.size(); ++i) tensors[i].sub_(0.05 * gradients[i]);
  }
  const auto adapted = testing::ReadTensors(spec.output_directory + "/model.safetensors");
  for (const auto& parameter : expected->parameters()) {
    EXPECT_TRUE(adapted.at(parameter.name).allclose(parameter.tensor, 1e-4, 1e-6))
        << parameter.name;
  }
}

TEST(AdaptFewShotTest, AnilMovesNoFeatures) {
  const job::RunSpec spec = AdaptationSpec("anil", 2);
  TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  for (const auto& [name, tensor] :
       testing::ReadTensors(spec.output_directory + "/changed.safetensors")) {
    EXPECT_TRUE(name.rfind("fc.", 0) == 0 || name.find("running_") != std::string::npos) << name;
  }
}

TEST(AdaptFewShotTest, ThePrototypeHeadIsTheNearestClassMean) {
  const job::RunSpec spec = AdaptationSpec("protonet", 3);
  TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  const auto adapted =
      model::LoadCheckpoint(OpenFile(spec.output_directory + "/model.safetensors"), {"", {24}})
          .value();
  const at::NoGradGuard no_grad;
  const Domain examples = NewClasses(3, 21), others = NewClasses(10, 22);
  const at::Tensor support =
      adapted->Forward(examples.inputs, model::Mode::kEvaluation).features.to(at::kDouble);
  const auto query = adapted->Forward(others.inputs, model::Mode::kEvaluation);
  for (int64_t i = 0; i < others.labels.size(0); ++i) {
    int64_t nearest = -1;
    double least = 0;
    for (int64_t k = 0; k < 3; ++k) {
      const at::Tensor mean = support.index({examples.labels.eq(k)}).mean(0);
      const double distance =
          (query.features[i].to(at::kDouble) - mean).square().sum().item<double>();
      if (nearest < 0 || distance < least) {
        nearest = k;
        least = distance;
      }
    }
    EXPECT_EQ(query.logits[i].argmax().item<int64_t>(), nearest);
  }
}

TEST(AdaptFewShotTest, SaysWhichClassHasNoExample) {
  job::RunSpec spec = AdaptationSpec("protonet", 2);
  const Domain examples = NewClasses(2, 21);
  const at::Tensor two = examples.labels.ne(1);
  const std::string path = spec.output_directory + "/two_classes";
  WriteDomain(path, {examples.inputs.index({two}), examples.labels.index({two})});
  spec.target = OpenFile(path);
  TestObserver observer;
  EXPECT_THAT(std::string(job::Run(spec, observer).status().message()),
              HasSubstr("target: no example of class 1"));
}

}  // namespace
}  // namespace acclimate::methods
