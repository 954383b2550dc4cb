#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/losses/adversarial.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/alignment/domain_discriminator.h"
#include "core/train/gradients.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Blobs;
using testing::Scene;

constexpr int64_t kWidth = 16, kTarget = 12;
constexpr double kTradeOff = 0.5, kSharpness = 2.0, kProgress = 0.4;

class MultiSourceDannTest : public ::testing::Test {
 protected:
  MultiSourceDannTest() {
    for (const model::Parameter& parameter : scene_.model->parameters()) {
      parameter.tensor.requires_grad_(true);
      if (!parameter.head) features_parameters_.push_back(parameter.tensor);
    }
  }

  std::unique_ptr<train::Task> Task(const std::string& method) {
    at::manual_seed(4);
    Hyperparameters given = {{"trade_off", kTradeOff},
                             {"discriminator_width", kWidth},
                             {"batch_size", int64_t{16}},
                             {"steps", int64_t{9}}};
    if (method == "multi_source_dann") given["sharpness"] = kSharpness;
    return scene_.Task(method, given);
  }

  // The first samples of each source and of the target, each its own number.
  train::StepInput Input(const std::vector<int64_t>& counts) const {
    train::StepInput input = scene_.Input(kTarget, kProgress);
    std::vector<at::Tensor> inputs, labels;
    for (size_t k = 0; k < counts.size(); ++k) {
      const data::Batch batch = scene_.sources[k].Slice(0, counts[k], at::kCPU);
      inputs.push_back(batch.inputs);
      labels.push_back(batch.labels);
    }
    input.source = {at::cat(inputs), at::cat(labels)};
    input.source_counts = counts;
    return input;
  }

  static train::StepOutput Step(train::Task& task, const train::StepInput& input) {
    train::StopSignal stop([] { return train::Directive::kContinue; });
    return task.Step(input, stop).value();
  }

  static at::Tensor Gradient(const at::Tensor& loss, const std::vector<at::Tensor>& parameters) {
    std::vector<at::Tensor> flat;
    for (const at::Tensor& gradient : train::Gradients(loss, parameters, /*retain_graph=*/true)) {
      flat.push_back(gradient.flatten());
    }
    return at::cat(flat);
  }

  static void ExpectClose(const at::Tensor& got, const at::Tensor& expected) {
    EXPECT_GT(expected.norm().item<double>(), 0);
    EXPECT_LT(((got - expected).norm() / expected.norm()).item<double>(), 1e-3);
  }

  Scene scene_;
  std::vector<at::Tensor> features_parameters_;
};

TEST_F(MultiSourceDannTest, WithOneSourceItIsDann) {
  const auto one = Task("dann"), several = Task("multi_source_dann");
  const train::StepInput input = Input({10});
  const train::StepOutput expected = Step(*one, input), output = Step(*several, input);
  EXPECT_FLOAT_EQ(output.loss.item<float>(), expected.loss.item<float>());
  for (const char* part : {"source", "domain"}) {
    EXPECT_FLOAT_EQ(output.parts.at(part).item<float>(), expected.parts.at(part).item<float>());
  }
  for (const char* measure : {"lambda", "domain_accuracy"}) {
    EXPECT_TRUE(at::equal(output.measures.at(measure), expected.measures.at(measure))) << measure;
  }
  EXPECT_EQ(output.measures.at("source_weight/0").item<double>(), 1);
  ExpectClose(Gradient(output.loss, features_parameters_),
              Gradient(expected.loss, features_parameters_));
}

class TwoSourcesTest : public MultiSourceDannTest {
 protected:
  TwoSourcesTest() {
    scene_.sources.push_back(Blobs(40, {6}, 5, 2.0, -3.0));
    task_ = Task("multi_source_dann");
    for (int64_t k = 0; k < 2; ++k) {
      copies_.push_back(std::make_unique<DomainDiscriminator>(
          scene_.model->feature_size(), kWidth, at::kCPU, "discriminator." + std::to_string(k)));
      const absl::Status status = copies_.back()->Restore(task_->State());
      EXPECT_TRUE(status.ok()) << status;
    }
    input_ = Input({10, 7});
    Measure();
  }

  // The losses of both sources without a reversal, through copies of the discriminators.
  void Measure() {
    const model::ForwardResult all = scene_.model->Forward(
        at::cat({input_.source.inputs, input_.target.inputs}), model::Mode::kTraining);
    const std::vector<at::Tensor> features = all.features.split_with_sizes({10, 7, kTarget});
    const std::vector<at::Tensor> logits = all.logits.split_with_sizes({10, 7, kTarget});
    const std::vector<at::Tensor> labels = input_.source.labels.split_with_sizes({10, 7});
    for (size_t k = 0; k < 2; ++k) {
      const int64_t n = features[k].size(0);
      const at::Tensor domains = copies_[k]->Forward(at::cat({features[k], features[2]}));
      classification_.push_back(losses::CrossEntropy(logits[k], labels[k]));
      domain_.push_back(losses::DomainAdversarialLoss(domains.slice(0, 0, n), domains.slice(0, n)));
    }
  }

  const double lambda_ = kTradeOff * (2 / (1 + std::exp(-10 * kProgress)) - 1);
  std::unique_ptr<train::Task> task_;
  std::vector<std::unique_ptr<DomainDiscriminator>> copies_;  // as the task's
  train::StepInput input_;
  std::vector<at::Tensor> classification_, domain_;  // by source
};

TEST_F(TwoSourcesTest, FeaturesDescendTheSmoothMaximumOfTheBounds) {
  at::Tensor sum = at::zeros({});
  for (size_t k = 0; k < 2; ++k) {
    sum = sum + (kSharpness * (classification_[k] - lambda_ * domain_[k])).exp();
  }
  ExpectClose(Gradient(Step(*task_, input_).loss, features_parameters_),
              Gradient(sum.log() / kSharpness, features_parameters_));
}

TEST_F(TwoSourcesTest, DiscriminatorsLearnAtWeightOne) {
  const at::Tensor loss = Step(*task_, input_).loss;
  const std::vector<train::ParameterGroup>& groups = task_->plan().groups;
  for (size_t k = 0; k < 2; ++k) {
    std::vector<at::Tensor> own, copies;
    for (const auto& parameter : groups[groups.size() - 2 + k].parameters) {
      own.push_back(parameter.tensor);
    }
    for (const auto& parameter : copies_[k]->Parameters()) copies.push_back(parameter.tensor);
    ExpectClose(Gradient(loss, own), Gradient(domain_[k], copies));
  }
}

TEST_F(TwoSourcesTest, PartsAndWeightsEqualTheirDefinition) {
  const train::StepOutput output = Step(*task_, input_);
  std::vector<double> weights;
  double sum = 0, classification = 0;
  for (size_t k = 0; k < 2; ++k) {
    const double bound = classification_[k].item<double>() - lambda_ * domain_[k].item<double>();
    weights.push_back(std::exp(kSharpness * bound));
    sum += weights.back();
  }
  for (size_t k = 0; k < 2; ++k) {
    const double weight = output.measures.at("source_weight/" + std::to_string(k)).item<double>();
    EXPECT_NEAR(weight, weights[k] / sum, 1e-4);
    classification += weights[k] / sum * classification_[k].item<double>();
  }
  EXPECT_NEAR(output.parts.at("source").item<double>(), classification, 1e-4);
  EXPECT_NEAR(output.parts.at("domain").item<double>(),
              domain_[0].item<double>() + domain_[1].item<double>(), 1e-4);
}

TEST_F(TwoSourcesTest, ReportsTheMeanWeightsOfTheRun) {
  ASSERT_TRUE(scene_.Train(*task_).ok());
  nlohmann::json report;
  task_->Report(report);
  const auto weights =
      report.at("multi_source_dann").at("source_weights").get<std::vector<double>>();
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_NEAR(weights[0] + weights[1], 1, 1e-6);
  EXPECT_GT(weights[0], 0);
  EXPECT_GT(weights[1], 0);
}

}  // namespace
}  // namespace acclimate::methods
