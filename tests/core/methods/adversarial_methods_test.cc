#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/methods/registry.h"
#include "core/model/architectures.h"
#include "core/runtime/random.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::methods {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kBatch = 12;

// A task over an MLP that has not been trained, as the loop would hold it.
class Held {
 public:
  Held(const std::string& method, const Hyperparameters& given, uint64_t seed = 1,
       int64_t classes = 3)
      : source_(testing::MakeDomain(kBatch, {6}, 1, classes)),
        target_(testing::Shifted(testing::MakeDomain(kBatch, {6}, 2, classes))) {
    runtime::SeedEverything(1);
    model_ = *model::BuildArchitecture({"mlp", {6}, classes});
    model_->Forward(source_.inputs, model::Mode::kEvaluation);
    sources_ = {*data::Dataset::FromTensors(source_.inputs, source_.labels, "source")};
    target_set_ =
        std::make_unique<data::Dataset>(*data::Dataset::FromTensors(target_.inputs, {}, "target"));
    const MethodEntry* entry = FindMethod(method);
    runtime::SeedEverything(seed);
    task_ = *entry->make_task({*model_, sources_, *target_set_, at::kCPU,
                               Settings(*ResolveHyperparameters(entry->spec, given)), inputs_});
    for (const train::ParameterGroup& group : task_->plan().groups) {
      for (const train::NamedParameter& parameter : group.parameters) {
        parameter.tensor.requires_grad_(true);
      }
    }
  }

  train::Task& task() { return *task_; }

  train::StepOutput Step(int64_t step, double progress) {
    train::StepInput input;
    input.step = step;
    input.progress = at::scalar_tensor(progress, at::kDouble);
    input.source = {source_.inputs, source_.labels};
    input.source_counts = {kBatch};
    input.target = {target_.inputs, {}};
    train::StopSignal stop([] { return train::Directive::kContinue; });
    return *task_->Step(input, stop);
  }

  // Of one step, by parameter; undefined where there is none.
  train::TensorMap Gradients(int64_t step, double progress) {
    Step(step, progress).loss.backward();
    train::TensorMap gradients;
    for (const train::ParameterGroup& group : task_->plan().groups) {
      for (const train::NamedParameter& parameter : group.parameters) {
        gradients[parameter.name] = parameter.tensor.grad();
        parameter.tensor.mutable_grad().reset();
      }
    }
    return gradients;
  }

 private:
  const testing::Domain source_, target_;
  std::unique_ptr<model::Model> model_;
  std::vector<data::Dataset> sources_;
  std::unique_ptr<data::Dataset> target_set_;
  ExtraInputs inputs_;
  std::unique_ptr<train::Task> task_;
};

bool BelongsToTheTask(const std::string& parameter) {
  for (const char* name : {"discriminator.", "adversary.", "second_head."}) {
    if (parameter.rfind(name, 0) == 0) return true;
  }
  return false;
}

class ReversalTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ReversalTest, TradeOffReachesTheFeaturesAndNothingElse) {
  const auto gradients = [](double trade_off) {
    return Held(GetParam(), {{"trade_off", trade_off}}).Gradients(0, 0.5);
  };
  const train::TensorMap none = gradients(0), once = gradients(0.1), twice = gradients(0.2);
  int64_t reached = 0;
  for (const auto& [name, gradient] : none) {
    const at::Tensor first = once.at(name) - gradient, second = twice.at(name) - gradient;
    if (BelongsToTheTask(name) || name.rfind("fc.", 0) == 0) {
      EXPECT_EQ(first.abs().max().item<float>(), 0) << name;
      continue;
    }
    EXPECT_TRUE(at::allclose(2 * first, second, 1e-3, 1e-6)) << name;
    if (first.abs().max().item<float>() > 1e-6) ++reached;
  }
  EXPECT_GE(reached, 6);  // weights and scales of three layers
}

TEST_P(ReversalTest, NothingReachesTheFeaturesAtTheStart) {
  const train::TensorMap none = Held(GetParam(), {{"trade_off", 0.0}}).Gradients(0, 0.5);
  const train::TensorMap start = Held(GetParam(), {{"trade_off", 1.0}}).Gradients(0, 0.0);
  for (const auto& [name, gradient] : none) EXPECT_TRUE(at::equal(start.at(name), gradient));
}

INSTANTIATE_TEST_SUITE_P(Adversarial, ReversalTest,
                         ::testing::Values("dann", "cdan", "mdd", "multi_source_dann"),
                         [](const auto& info) { return info.param; });

struct StateCase {
  std::string method;
  Hyperparameters hyperparameters;
};

class StateTest : public ::testing::TestWithParam<StateCase> {};

TEST_P(StateTest, HoldsEverythingThatIsNotInTheModel) {
  Held first(GetParam().method, GetParam().hyperparameters, /*seed=*/1);
  Held second(GetParam().method, GetParam().hyperparameters, /*seed=*/2);
  const train::StepOutput wanted = first.Step(0, 0.5), other = second.Step(0, 0.5);
  EXPECT_NE(wanted.loss.item<float>(), other.loss.item<float>());
  ASSERT_TRUE(second.task().Restore(first.task().State()).ok());
  EXPECT_EQ(second.Step(0, 0.5).loss.item<float>(), first.Step(0, 0.5).loss.item<float>());
  EXPECT_FALSE(second.task().Restore({}).ok());
}

INSTANTIATE_TEST_SUITE_P(
    Adversarial, StateTest,
    ::testing::Values(StateCase{"dann", {}}, StateCase{"cdan", {}},
                      StateCase{"cdan", {{"randomized", std::string("always")}}},
                      StateCase{"mdd", {}}, StateCase{"mcd", {}},
                      StateCase{"multi_source_dann", {}}),
    [](const auto& info) { return info.param.method + std::to_string(info.index); });

TEST(CdanTest, RandomisesLargeProductsOnly) {
  // The MLP has 256 features: 3 classes make 768 entries, 17 make 4352.
  const auto inputs = [](const std::string& randomized, int64_t classes) {
    Held held("cdan", {{"randomized", randomized}}, 1, classes);
    held.Step(0, 0.5);
    return held.task().State().at("discriminator.0.weight").size(1);
  };
  EXPECT_EQ(inputs("auto", 3), 768);
  EXPECT_EQ(inputs("auto", 17), 1024);
  EXPECT_EQ(inputs("always", 3), 1024);
  EXPECT_EQ(inputs("never", 17), 4352);
}

TEST(CdanTest, EntropyWeightsChangeTheDomainLossOnly) {
  const train::StepOutput with = Held("cdan", {{"entropy_weights", true}}).Step(0, 0.5);
  const train::StepOutput without = Held("cdan", {{"entropy_weights", false}}).Step(0, 0.5);
  EXPECT_EQ(with.parts.at("source").item<float>(), without.parts.at("source").item<float>());
  EXPECT_NE(with.parts.at("domain").item<float>(), without.parts.at("domain").item<float>());
}

TEST(McdTest, TakesTurns) {
  Held held("mcd", {{"feature_steps", int64_t{2}}});
  const auto moved = [&](int64_t step) {
    bool features = false, own_head = false, second_head = false;
    for (const auto& [name, gradient] : held.Gradients(step, 0.5)) {
      if (!gradient.defined()) continue;
      (BelongsToTheTask(name)      ? second_head
       : name.rfind("fc.", 0) == 0 ? own_head
                                   : features) = true;
    }
    return std::vector<bool>{features, own_head, second_head};
  };
  const std::vector<bool> all = {true, true, true}, heads = {false, true, true};
  const std::vector<bool> features = {true, false, false};
  for (int64_t turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(moved(4 * turn), all);
    EXPECT_EQ(moved(4 * turn + 1), heads);
    EXPECT_EQ(moved(4 * turn + 2), features);
    EXPECT_EQ(moved(4 * turn + 3), features);
  }
}

TEST(McdTest, HeadsDescendTheNegativeDiscrepancyAndFeaturesTheDiscrepancy) {
  Held held("mcd", {{"trade_off", 3.0}});
  const train::StepOutput disagree = held.Step(1, 0.5), agree = held.Step(2, 0.5);
  const auto part = [](const train::StepOutput& output, const std::string& name) {
    return output.parts.at(name).item<float>();
  };
  EXPECT_NEAR(
      disagree.loss.item<float>(),
      part(disagree, "source") + part(disagree, "second_head") - 3 * part(disagree, "discrepancy"),
      1e-5);
  EXPECT_NEAR(agree.loss.item<float>(),
              agree.measures.at("lambda").item<double>() * part(agree, "discrepancy"), 1e-6);
  EXPECT_NEAR(agree.measures.at("lambda").item<double>(), 3 * std::tanh(2.5), 1e-9);
}

// Through a whole run.
class WarningTest : public ::testing::Test {
 protected:
  static const testing::World& Vectors() {
    static const auto* const kWorld = new testing::World("alignment", "mlp", {12});
    return *kWorld;
  }
  // Features that learn nothing from the discriminator.
  static job::RunSpec Unaligned(const std::string& method) {
    job::RunSpec spec = Vectors().Spec(method);
    spec.hyperparameters["trade_off"] = 0.0;
    spec.hyperparameters["steps"] = int64_t{60};
    spec.hyperparameters["discriminator_width"] = int64_t{64};
    return spec;
  }
};

TEST_F(WarningTest, ADiscriminatorThatWonIsReported) {
  for (const char* method : {"dann", "cdan"}) {
    testing::TestObserver observer;
    const absl::StatusOr<job::RunResult> result = job::Run(Unaligned(method), observer);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_GT(result->metrics.at("domain_accuracy"), 0.9);
    EXPECT_THAT(observer.warnings, Contains(HasSubstr("the domain classifier won")));
  }
}

TEST_F(WarningTest, OneThatCannotTellTheDomainsApartIsNot) {
  job::RunSpec spec = Unaligned("dann");
  spec.target = testing::OpenFile(Vectors().Path("source.safetensors"));
  testing::TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  EXPECT_THAT(observer.warnings, Not(Contains(HasSubstr("the domain classifier won"))));
}

}  // namespace
}  // namespace acclimate::methods
