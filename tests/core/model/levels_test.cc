// A network cut at its levels, and a network run with other parameters than its own.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/autograd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/model/architectures.h"

namespace acclimate::model {
namespace {

struct LevelsCase {
  std::string name;
  std::vector<int64_t> shape;
  size_t levels;
};

std::unique_ptr<Model> BuildCase(const LevelsCase& given) {
  at::manual_seed(1);
  return BuildArchitecture({given.name, given.shape, 10}).value();
}

at::Tensor LevelsInputs(const LevelsCase& given, int64_t count = 4) {
  std::vector<int64_t> sizes{count};
  sizes.insert(sizes.end(), given.shape.begin(), given.shape.end());
  at::manual_seed(2);
  return at::rand(sizes);
}

class LevelsTest : public ::testing::TestWithParam<LevelsCase> {};

TEST_P(LevelsTest, TwoHalvesMakeTheWhole) {
  const auto model = BuildCase(GetParam());
  const at::NoGradGuard no_grad;
  const at::Tensor inputs = LevelsInputs(GetParam());
  ASSERT_EQ(model->levels().size(), GetParam().levels);
  for (const Mode mode : {Mode::kEvaluation, Mode::kBatchStatistics}) {
    const ForwardResult whole = model->Forward(inputs, mode);
    for (size_t level = 0; level < model->levels().size(); ++level) {
      const ForwardResult halves =
          model->ForwardFrom(level, model->ForwardTo(level, inputs, mode), mode);
      EXPECT_TRUE(at::equal(halves.features, whole.features)) << model->levels()[level].name;
      EXPECT_TRUE(at::equal(halves.logits, whole.logits)) << model->levels()[level].name;
    }
  }
}

TEST_P(LevelsTest, OnePassSeesWhatTheHalvesSee) {
  const auto model = BuildCase(GetParam());
  const at::NoGradGuard no_grad;
  const at::Tensor inputs = LevelsInputs(GetParam());
  const size_t last = model->levels().size() - 1;
  const LevelsResult seen = model->ForwardThrough({0, last}, inputs, Mode::kEvaluation);
  ASSERT_EQ(seen.levels.size(), 2u);
  EXPECT_TRUE(at::equal(seen.levels[0], model->ForwardTo(0, inputs, Mode::kEvaluation)));
  EXPECT_TRUE(at::equal(seen.levels[1], seen.output.features));
  EXPECT_TRUE(at::equal(seen.output.logits, model->Forward(inputs, Mode::kEvaluation).logits));
}

// What is read before a level is named there, once: freezing a prefix freezes those and no others.
TEST_P(LevelsTest, EveryParameterOfTheBackboneBelongsToOneLevel) {
  const auto model = BuildCase(GetParam());
  std::multiset<std::string> named;
  for (const Level& level : model->levels()) {
    named.insert(level.parameters.begin(), level.parameters.end());
  }
  for (const Parameter& parameter : model->parameters()) {
    EXPECT_EQ(named.count(parameter.name), parameter.head ? 0u : 1u) << parameter.name;
  }
}

TEST_P(LevelsTest, TheSecondHalfAloneLearns) {
  const auto model = BuildCase(GetParam());
  const size_t middle = model->levels().size() / 2;
  at::Tensor cut;
  {
    const at::NoGradGuard no_grad;
    cut = model->ForwardTo(middle, LevelsInputs(GetParam()), Mode::kTraining);
  }
  model->ForwardFrom(middle, cut, Mode::kTraining).logits.square().sum().backward();
  std::set<std::string> frozen;
  for (size_t level = 0; level <= middle; ++level) {
    const auto& names = model->levels()[level].parameters;
    frozen.insert(names.begin(), names.end());
  }
  for (const Parameter& parameter : model->parameters()) {
    EXPECT_EQ(parameter.tensor.grad().defined(), frozen.count(parameter.name) == 0)
        << parameter.name;
  }
}

TEST_P(LevelsTest, OwnParametersGivenBackChangeNothing) {
  const auto model = BuildCase(GetParam());
  const at::NoGradGuard no_grad;
  const at::Tensor inputs = LevelsInputs(GetParam());
  std::map<std::string, at::Tensor> own;
  for (const Parameter& parameter : model->parameters()) own[parameter.name] = parameter.tensor;
  EXPECT_TRUE(at::equal(model->ForwardWith(own, inputs, Mode::kEvaluation).logits,
                        model->Forward(inputs, Mode::kEvaluation).logits));
}

TEST_P(LevelsTest, GivenParametersActAsIfTheyWereLoaded) {
  const auto model = BuildCase(GetParam());
  const at::NoGradGuard no_grad;
  const at::Tensor inputs = LevelsInputs(GetParam());
  const Parameter first = model->parameters().front();
  const at::Tensor given = first.tensor * 1.5 + 0.01;
  const at::Tensor before = model->Forward(inputs, Mode::kEvaluation).logits;
  const at::Tensor with =
      model->ForwardWith({{first.name, given}}, inputs, Mode::kEvaluation).logits;
  EXPECT_TRUE(at::equal(model->Forward(inputs, Mode::kEvaluation).logits, before));
  first.tensor.copy_(given);
  EXPECT_TRUE(at::equal(with, model->Forward(inputs, Mode::kEvaluation).logits));
  EXPECT_FALSE(at::equal(with, before));
}

INSTANTIATE_TEST_SUITE_P(BuiltIn, LevelsTest,
                         ::testing::Values(LevelsCase{"lenet", {1, 28, 28}, 4},
                                           LevelsCase{"dtn", {3, 32, 32}, 4},
                                           LevelsCase{"mlp", {20}, 3},
                                           LevelsCase{"resnet18", {3, 32, 32}, 9}),
                         [](const auto& info) { return info.param.name; });

// d/dw of the gradient's own norm, against differences of the gradient: what MAML differentiates.
TEST(ForwardWith, CarriesSecondDerivatives) {
  const LevelsCase given{"mlp", {6}, 0};
  const auto model = BuildCase(given);
  const at::Tensor inputs = LevelsInputs(given, 3);
  const Parameter head = model->parameters().back();
  const auto gradient = [&](const at::Tensor& weight) {
    const at::Tensor loss =
        model->ForwardWith({{head.name, weight}}, inputs, Mode::kEvaluation).logits.pow(3).sum();
    return torch::autograd::grad({loss}, {weight}, {}, /*retain_graph=*/true,
                                 /*create_graph=*/true)[0];
  };
  const at::Tensor weight = head.tensor.detach().clone().requires_grad_();
  const at::Tensor exact = torch::autograd::grad({gradient(weight).square().sum()}, {weight})[0];
  constexpr double kStep = 1e-2;
  const at::Tensor direction = exact / exact.norm();
  const auto moved = [&](double step) {
    const at::Tensor at = (weight.detach() + step * direction).requires_grad_();
    return gradient(at).square().sum().item<double>();
  };
  const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
  EXPECT_NEAR(slope, exact.norm().item<double>(), 0.02 * std::abs(slope));
}

}  // namespace
}  // namespace acclimate::model
