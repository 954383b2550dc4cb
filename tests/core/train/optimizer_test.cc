#include "core/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/optim.h>

namespace acclimate::train {
namespace {

using ::testing::HasSubstr;
using Kind = OptimizerOptions::Kind;

constexpr int kSteps = 20;
constexpr double kMultipliers[] = {1.0, 0.1};

// Two groups: two small tensors; one that is large enough for several threads.
class Weights {
 public:
  explicit Weights(at::ScalarType type) {
    const std::vector<std::vector<int64_t>> shapes = {{4, 3}, {5}, {300, 200}};
    at::manual_seed(3);
    for (const std::vector<int64_t>& shape : shapes) {
      tensors_.push_back(at::randn(shape, at::kDouble).to(type).requires_grad_());
    }
  }

  // The same at every call, whatever the type.
  void SetGradients(int step) {
    at::manual_seed(100 + step);
    for (at::Tensor& tensor : tensors_) {
      tensor.mutable_grad() = at::randn(tensor.sizes(), at::kDouble).to(tensor.scalar_type());
    }
  }

  std::vector<ParameterGroup> Groups() const {
    return {{{{"first", tensors_[0]}, {"second", tensors_[1]}}, kMultipliers[0]},
            {{{"large", tensors_[2]}}, kMultipliers[1]}};
  }

  at::Tensor& operator[](size_t i) { return tensors_[i]; }

 private:
  std::vector<at::Tensor> tensors_;
};

std::unique_ptr<torch::optim::Optimizer> LibTorchs(const OptimizerOptions& options,
                                                   Weights& weights) {
  const std::vector<std::vector<at::Tensor>> groups = {{weights[0], weights[1]}, {weights[2]}};
  if (options.kind == Kind::kAdam) {
    const auto adam = torch::optim::AdamOptions(options.learning_rate)
                          .betas({options.beta1, options.beta2})
                          .eps(options.epsilon)
                          .weight_decay(options.weight_decay);
    std::vector<torch::optim::OptimizerParamGroup> parts;
    for (const auto& group : groups) {
      parts.emplace_back(group, std::make_unique<torch::optim::AdamOptions>(adam));
    }
    return std::make_unique<torch::optim::Adam>(parts, adam);
  }
  const auto sgd = torch::optim::SGDOptions(options.learning_rate)
                       .momentum(options.momentum)
                       .nesterov(options.nesterov)
                       .weight_decay(options.weight_decay);
  std::vector<torch::optim::OptimizerParamGroup> parts;
  for (const auto& group : groups) {
    parts.emplace_back(group, std::make_unique<torch::optim::SGDOptions>(sgd));
  }
  return std::make_unique<torch::optim::SGD>(parts, sgd);
}

struct Case {
  const char* name;
  Kind kind;
  double momentum;
  bool nesterov;
  double weight_decay;
  at::ScalarType type;

  OptimizerOptions Options() const {
    OptimizerOptions options;
    options.kind = kind;
    options.learning_rate = 0.05;
    options.momentum = momentum;
    options.nesterov = nesterov;
    options.weight_decay = weight_decay;
    return options;
  }
  // Rounding of kSteps steps; one missing term of an update is far above it.
  double Tolerance() const { return type == at::kDouble ? 1e-13 : 5e-6; }
};

class OptimizerTest : public ::testing::TestWithParam<Case> {};

TEST_P(OptimizerTest, UpdatesAsLibTorchDoes) {
  const OptimizerOptions options = GetParam().Options();
  Weights ours(GetParam().type), theirs(at::kDouble);
  for (size_t i = 0; i < 3; ++i) theirs[i].detach().copy_(ours[i].detach());  // same rounding
  const std::unique_ptr<Optimizer> optimizer = MakeOptimizer(options, ours.Groups());
  const std::unique_ptr<torch::optim::Optimizer> reference = LibTorchs(options, theirs);
  for (int step = 0; step < kSteps; ++step) {
    const double factor = 1.0 / (1 + step);
    for (size_t group = 0; group < 2; ++group) {
      reference->param_groups()[group].options().set_lr(options.learning_rate * factor *
                                                        kMultipliers[group]);
    }
    ours.SetGradients(step);
    theirs.SetGradients(step);
    optimizer->SetRate(factor);
    optimizer->Step();
    reference->step();
  }
  for (size_t i = 0; i < 3; ++i) {
    const at::Tensor difference = ours[i].detach().to(at::kDouble) - theirs[i].detach();
    EXPECT_LT(difference.abs().max().item<double>(), GetParam().Tolerance()) << "tensor " << i;
  }
}

TEST_P(OptimizerTest, RestoredGoesOnAsIfNeverStopped) {
  const OptimizerOptions options = GetParam().Options();
  Weights straight(GetParam().type), resumed(GetParam().type);
  const auto through = MakeOptimizer(options, straight.Groups());
  std::map<std::string, at::Tensor> state;
  for (int step = 0; step < kSteps; ++step) {
    if (step == kSteps / 2) {
      const at::NoGradGuard no_grad;
      for (const auto& [name, tensor] : through->State()) state[name] = tensor.clone();
      for (size_t i = 0; i < 3; ++i) resumed[i].copy_(straight[i]);
    }
    straight.SetGradients(step);
    through->SetRate(0.5);
    through->Step();
  }
  const auto optimizer = MakeOptimizer(options, resumed.Groups());
  const absl::Status status = optimizer->Restore(state);
  ASSERT_TRUE(status.ok()) << status;
  for (int step = kSteps / 2; step < kSteps; ++step) {
    resumed.SetGradients(step);
    optimizer->SetRate(0.5);
    optimizer->Step();
  }
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(straight[i], resumed[i])) << "tensor " << i;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, OptimizerTest,
    ::testing::Values(Case{"PlainSgd", Kind::kSgd, 0.0, false, 0.0, at::kFloat},
                      Case{"Momentum", Kind::kSgd, 0.9, false, 0.0, at::kFloat},
                      Case{"Nesterov", Kind::kSgd, 0.9, true, 0.01, at::kFloat},
                      Case{"NesterovDouble", Kind::kSgd, 0.9, true, 0.01, at::kDouble},
                      Case{"MomentumDouble", Kind::kSgd, 0.9, false, 0.01, at::kDouble},
                      Case{"Adam", Kind::kAdam, 0.0, false, 0.0, at::kFloat},
                      Case{"AdamWithDecay", Kind::kAdam, 0.0, false, 0.1, at::kFloat},
                      Case{"AdamDouble", Kind::kAdam, 0.0, false, 0.1, at::kDouble}),
    [](const auto& info) { return info.param.name; });

OptimizerOptions Adam() {
  OptimizerOptions options;
  options.kind = Kind::kAdam;
  return options;
}

TEST(OptimizerStepTest, ParameterWithoutGradientStays) {
  OptimizerOptions options;
  options.weight_decay = 0.1;
  Weights weights(at::kFloat);
  const at::Tensor before = weights[1].detach().clone();
  const auto optimizer = MakeOptimizer(options, weights.Groups());
  weights.SetGradients(0);
  weights[1].mutable_grad().reset();
  optimizer->Step();
  EXPECT_TRUE(at::equal(weights[1], before));
  EXPECT_EQ(optimizer->State().count("momentum/second"), 0u);
  EXPECT_EQ(optimizer->State().count("momentum/first"), 1u);
}

// torch.optim counts the steps of each parameter: its first one is corrected as a first one.
TEST(OptimizerStepTest, AdamCountsTheStepsOfEachParameter) {
  Weights ours(at::kDouble), theirs(at::kDouble);
  const auto optimizer = MakeOptimizer(Adam(), ours.Groups());
  const auto reference = LibTorchs(Adam(), theirs);
  reference->param_groups()[1].options().set_lr(0.1 * Adam().learning_rate);
  for (int step = 0; step < 4; ++step) {
    ours.SetGradients(step);
    theirs.SetGradients(step);
    if (step < 2) {
      ours[1].mutable_grad().reset();
      theirs[1].mutable_grad().reset();
    }
    optimizer->Step();
    reference->step();
  }
  EXPECT_LT((ours[1] - theirs[1]).abs().max().item<double>(), 1e-13);
}

TEST(OptimizerStepTest, ZeroGradientsLeavesNoneBehind) {
  Weights weights(at::kFloat);
  const auto optimizer = MakeOptimizer({}, weights.Groups());
  weights.SetGradients(0);
  optimizer->ZeroGradients();
  for (size_t i = 0; i < 3; ++i) EXPECT_FALSE(weights[i].grad().defined());
}

TEST(OptimizerStepTest, NonContiguousGradientsAndParametersAreTakenAsTheyAre) {
  for (const Kind kind : {Kind::kSgd, Kind::kAdam}) {
    OptimizerOptions options;
    options.kind = kind;
    at::manual_seed(5);
    const at::Tensor start = at::randn({3, 4}), gradient = at::randn({4, 3}).t();
    at::Tensor plain = start.clone().requires_grad_();
    at::Tensor strided = start.t().contiguous().t().requires_grad_();
    plain.mutable_grad() = gradient;
    strided.mutable_grad() = gradient;
    const auto one = MakeOptimizer(options, {{{{"w", plain}}, 1.0}});
    const auto other = MakeOptimizer(options, {{{{"w", strided}}, 1.0}});
    one->Step();
    other->Step();
    EXPECT_FALSE(at::equal(plain, start));
    EXPECT_TRUE(at::allclose(plain, strided, 1e-6, 1e-7));
  }
}

// State after one step of every parameter.
std::map<std::string, at::Tensor> StateOf(const OptimizerOptions& options) {
  Weights weights(at::kFloat);
  const auto optimizer = MakeOptimizer(options, weights.Groups());
  weights.SetGradients(0);
  optimizer->Step();
  return optimizer->State();
}

std::string Refusal(const std::map<std::string, at::Tensor>& state) {
  Weights weights(at::kFloat);
  const absl::Status status = MakeOptimizer(Adam(), weights.Groups())->Restore(state);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(OptimizerStateTest, HasASlotForEachParameter) {
  const auto state = StateOf(Adam());
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  EXPECT_THAT(names, ::testing::ElementsAre("mean/first", "mean/large", "mean/second",
                                            "square/first", "square/large", "square/second",
                                            "updates/first", "updates/large", "updates/second"));
  EXPECT_EQ(state.at("updates/first").item<int64_t>(), 1);
}

TEST(OptimizerStateTest, MisshapenTensorIsNamed) {
  auto state = StateOf(Adam());
  state["square/large"] = at::zeros({200, 300});
  EXPECT_THAT(Refusal(state), HasSubstr("square/large"));
}

TEST(OptimizerStateTest, MissingCountOfUpdatesIsNamed) {
  auto state = StateOf(Adam());
  state.erase("updates/first");
  EXPECT_THAT(Refusal(state), HasSubstr("updates/first"));
}

// A parameter has all of its slots or, when it never had a gradient, none.
TEST(OptimizerStateTest, MissingSlotIsNamed) {
  auto state = StateOf(Adam());
  state.erase("square/second");
  EXPECT_THAT(Refusal(state), HasSubstr("square/second"));
}

}  // namespace
}  // namespace acclimate::train
