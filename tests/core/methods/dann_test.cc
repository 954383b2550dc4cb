#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/losses/adversarial.h"
#include "core/methods/alignment/domain_discriminator.h"
#include "core/train/gradients.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::OfTheBatch;
using testing::ReferenceMlp;
using testing::Scene;

constexpr int64_t kBatch = 12, kWidth = 16;
constexpr double kTradeOff = 0.5;

// The formula of the paper, not that of the code.
double Lambda(double progress) { return kTradeOff * (2 / (1 + std::exp(-10 * progress)) - 1); }

class DannTest : public ::testing::Test {
 protected:
  DannTest() : discriminator_(scene_.model->feature_size(), kWidth, at::kCPU) {
    at::manual_seed(4);
    task_ = scene_.Task(
        "dann",
        {{"trade_off", kTradeOff}, {"discriminator_width", kWidth}, {"batch_size", kBatch}});
    for (const model::Parameter& parameter : scene_.model->parameters()) {
      parameter.tensor.requires_grad_(true);
      if (!parameter.head) features_parameters_.push_back(parameter.tensor);
    }
    const absl::Status status = discriminator_.Restore(task_->State());
    EXPECT_TRUE(status.ok()) << status;
  }

  train::StepOutput Step(double progress) {
    train::StopSignal stop([] { return train::Directive::kContinue; });
    return task_->Step(scene_.Input(kBatch, progress), stop).value();
  }

  // The same domain loss without a reversal, through a copy of the discriminator.
  at::Tensor PlainDomainLoss() {
    const train::StepInput input = scene_.Input(kBatch);
    const at::Tensor features =
        scene_.model
            ->Forward(at::cat({input.source.inputs, input.target.inputs}), model::Mode::kTraining)
            .features;
    const at::Tensor domains = discriminator_.Forward(features);
    return losses::DomainAdversarialLoss(domains.slice(0, 0, kBatch), domains.slice(0, kBatch));
  }

  static std::vector<at::Tensor> Gradients(const at::Tensor& loss,
                                           const std::vector<at::Tensor>& parameters) {
    return train::Gradients(loss, parameters, /*retain_graph=*/true);
  }

  static at::Tensor Joined(const std::vector<at::Tensor>& tensors) {
    std::vector<at::Tensor> flat;
    for (const at::Tensor& tensor : tensors) flat.push_back(tensor.flatten());
    return at::cat(flat);
  }

  Scene scene_;
  std::unique_ptr<train::Task> task_;
  DomainDiscriminator discriminator_;  // as the task's
  std::vector<at::Tensor> features_parameters_;
};

TEST_F(DannTest, FeaturesGetMinusLambdaTimesThePlainGradient) {
  for (const double progress : {0.1, 0.7}) {
    const at::Tensor plain = Joined(Gradients(PlainDomainLoss(), features_parameters_));
    const at::Tensor reversed =
        Joined(Gradients(Step(progress).parts.at("domain"), features_parameters_));
    const at::Tensor expected = plain * -Lambda(progress);
    EXPECT_GT(expected.norm().item<double>(), 0.0);
    EXPECT_LT(((reversed - expected).norm() / expected.norm()).item<double>(), 1e-4)
        << "progress " << progress;
  }
}

TEST_F(DannTest, DiscriminatorLearnsAtWeightOne) {
  std::vector<at::Tensor> own, copies;
  for (const auto& parameter : task_->plan().groups.back().parameters) {
    own.push_back(parameter.tensor);
  }
  for (const auto& parameter : discriminator_.Parameters()) copies.push_back(parameter.tensor);
  EXPECT_EQ(task_->plan().groups.back().learning_rate_multiplier, 1.0);
  const auto expected = Gradients(PlainDomainLoss(), copies);
  const auto gradients = Gradients(Step(0.3).loss, own);
  ASSERT_EQ(gradients.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(at::allclose(gradients[i], expected[i], 1e-4, 1e-6)) << "parameter " << i;
  }
}

TEST_F(DannTest, StartsWithoutAdversary) {
  const train::StepOutput output = Step(0.0);
  EXPECT_EQ(output.measures.at("lambda").item<double>(), 0.0);
  for (const at::Tensor& gradient : Gradients(output.parts.at("domain"), features_parameters_)) {
    EXPECT_EQ(gradient.abs().max().item<double>(), 0.0);
  }
}

TEST_F(DannTest, LambdaFollowsTheSchedule) {
  EXPECT_NEAR(Step(0.5).measures.at("lambda").item<double>(), Lambda(0.5), 1e-12);
}

TEST_F(DannTest, PartsEqualTheirDefinitionOverBothDomainsInOneBatch) {
  const train::StepInput input = scene_.Input(kBatch);
  const at::Tensor logits =
      ReferenceMlp(*scene_.model)
          .Forward(at::cat({input.source.inputs, input.target.inputs}), OfTheBatch)
          .logits;
  const train::StepOutput output = Step(0.5);
  double classification = 0;
  for (int64_t i = 0; i < kBatch; ++i) {
    const int64_t label = input.source.labels[i].item<int64_t>();
    classification -= logits[i].log_softmax(0)[label].item<double>() / kBatch;
  }
  const double domain = PlainDomainLoss().item<double>();
  EXPECT_NEAR(output.parts.at("source").item<double>(), classification, 1e-5);
  EXPECT_NEAR(output.parts.at("domain").item<double>(), domain, 1e-5);
  EXPECT_NEAR(output.loss.item<double>(), classification + domain, 1e-5);
  EXPECT_TRUE(
      at::allclose(output.target_logits.to(at::kDouble), logits.slice(0, kBatch), 1e-4, 1e-4));
}

}  // namespace
}  // namespace acclimate::methods
