#include "core/train/update_limits.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "core/model/architectures.h"
#include "core/train/trainer.h"
#include "tests/core/train/plain_network.h"

namespace acclimate::train {
namespace {

using testing::PlainNetwork;

std::unique_ptr<model::Model> WithBatchNorm() {
  return model::BuildArchitecture({"mlp", {6}, 3}).value();
}

// Moves all of the model at rate 0.5, without momentum.
Plan MovingAll(const model::Model& model, int64_t total_steps) {
  Plan plan;
  plan.total_steps = total_steps;
  plan.target_batch_size = 4;
  plan.groups.emplace_back();
  for (const model::Parameter& parameter : model.parameters()) {
    plan.groups[0].parameters.push_back({parameter.name, parameter.tensor});
  }
  plan.optimizer.learning_rate = 0.5;
  plan.optimizer.momentum = 0.0;
  plan.optimizer.nesterov = false;
  return plan;
}

TEST(LimitsForTest, AreForModelsWithoutBatchNormAlone) {
  const auto plain = PlainNetwork(), normed = WithBatchNorm();
  EXPECT_TRUE(LimitsFor(*plain, MovingAll(*plain, 100)).any());
  EXPECT_FALSE(LimitsFor(*normed, MovingAll(*normed, 100)).any());
  Plan passes;
  passes.total_steps = 100;
  EXPECT_FALSE(LimitsFor(*plain, passes).any());
}

TEST(LimitsForTest, WarmUpIsATenthOfThePlan) {
  const auto plain = PlainNetwork();
  const auto steps = [&](int64_t total) {
    return LimitsFor(*plain, MovingAll(*plain, total)).warm_up_steps;
  };
  EXPECT_EQ(steps(3), 1);
  EXPECT_EQ(steps(2000), 200);
  EXPECT_EQ(steps(20000), 500);
}

TEST(LimitNormTest, ScalesAllGradientsByOneFactor) {
  const std::vector<at::Tensor> gradients = {at::tensor({3.0f, 0.0f}), at::tensor({{-4.0f}})};
  LimitNorm(gradients, 1.0);
  EXPECT_TRUE(at::allclose(gradients[0], at::tensor({0.6f, 0.0f})));
  EXPECT_TRUE(at::allclose(gradients[1], at::tensor({{-0.8f}})));
}

TEST(LimitNormTest, LeavesGradientsWithinTheLimit) {
  for (const float value : {0.0f, 0.1f}) {
    const at::Tensor gradient = at::full({5}, value), before = gradient.clone();
    LimitNorm({gradient}, 1.0);
    EXPECT_TRUE(at::equal(gradient, before)) << value;
  }
}

// The loss is `slope` times the sum of the classifier's bias: its gradient is `slope` everywhere.
class SlopeTask : public Task {
 public:
  SlopeTask(const model::Model& model, int64_t total_steps, double slope)
      : plan_(MovingAll(model, total_steps)), slope_(slope) {
    for (const NamedParameter& parameter : plan_.groups[0].parameters) {
      if (parameter.name == "fc.bias") bias_ = parameter.tensor;
    }
  }
  const Plan& plan() const override { return plan_; }
  absl::StatusOr<StepOutput> Step(const StepInput& input, StopSignal&) override {
    StepOutput output;
    output.loss = bias_.sum() * slope_ * input.target.inputs.square().mean().sign();
    return output;
  }
  const at::Tensor& bias() const { return bias_; }

 private:
  const Plan plan_;
  const double slope_;
  at::Tensor bias_;
};

class LimitedRunTest : public ::testing::Test {
 protected:
  // How far each entry of the classifier's bias has moved.
  double Moved(model::Model& model, int64_t total_steps, double slope) {
    SlopeTask task(model, total_steps, slope);
    const at::Tensor before = task.bias().detach().clone();
    Trainer trainer(task, model, {}, target_, {}, {});
    EXPECT_TRUE(trainer.Run(never_).ok());
    return (before - task.bias()).mean().item<double>();
  }

  const data::Dataset target_ =
      data::Dataset::FromTensors(at::ones({8, 6}), at::zeros({8}, at::kLong), "ones").value();
  StopSignal never_ = StopSignal([] { return Directive::kContinue; });
};

TEST_F(LimitedRunTest, RateOfAPlainNetworkRises) {
  // Two steps of warm-up: half the rate, then all of it.
  EXPECT_NEAR(Moved(*PlainNetwork(), 20, 0.1), 0.5 * 0.1 * (0.5 + 19), 1e-5);
}

TEST_F(LimitedRunTest, GradientOfAPlainNetworkIsLimited) {
  // Three entries of 1 / sqrt(3) have the norm 1.
  EXPECT_NEAR(Moved(*PlainNetwork(), 20, 7.0), 0.5 / std::sqrt(3.0) * (0.5 + 19), 1e-4);
}

TEST_F(LimitedRunTest, NetworkWithBatchNormMovesByTheWholeGradient) {
  EXPECT_NEAR(Moved(*WithBatchNorm(), 20, 7.0), 0.5 * 7.0 * 20, 1e-4);
}

TEST_F(LimitedRunTest, ResumedInTheWarmUpEndsBitEqual) {
  const auto final_bias = [this](bool stops) {
    at::manual_seed(3);
    const auto model = PlainNetwork();
    SlopeTask task(*model, 40, 7.0);
    Trainer trainer(task, *model, {}, target_, {}, {});
    if (!stops) {
      EXPECT_TRUE(trainer.Run(never_).ok());
      return task.bias().detach().clone();
    }
    EXPECT_TRUE(trainer.RunTo(2, never_).ok());
    const auto other = PlainNetwork();
    SlopeTask other_task(*other, 40, 7.0);
    Trainer resumed(other_task, *other, {}, target_, {}, {});
    EXPECT_TRUE(resumed.Restore(trainer.State()).ok());
    EXPECT_TRUE(resumed.Run(never_).ok());
    return other_task.bias().detach().clone();
  };
  EXPECT_TRUE(at::equal(final_bias(false), final_bias(true)));
}

}  // namespace
}  // namespace acclimate::train
