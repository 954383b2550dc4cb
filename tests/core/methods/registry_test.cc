// What holds for every method, by being registered.
#include "core/methods/registry.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Changed;
using ::testing::MatchesRegex;
using testing::Scene;
using testing::Snapshot;

TEST(RegistryTest, IsSortedWithUniqueNames) {
  ASSERT_FALSE(Registry().empty());
  for (size_t i = 1; i < Registry().size(); ++i) {
    EXPECT_LT(Registry()[i - 1].spec.name, Registry()[i].spec.name);
  }
}

TEST(RegistryTest, FindsByName) {
  for (const MethodEntry& entry : Registry()) {
    EXPECT_EQ(FindMethod(entry.spec.name), &entry) << entry.spec.name;
  }
  EXPECT_EQ(FindMethod("magic"), nullptr);
  EXPECT_EQ(FindMethod(""), nullptr);
}

// Data that `method` takes.
Scene SceneFor(const std::string& method) {
  const MethodSpec& spec = FindMethod(method)->spec;
  if (spec.needs_images) return Scene("conv4", {1, 8, 8});
  Scene scene;
  if (spec.needs_counts) scene.TakeCounts();
  return scene;
}

class MethodTest : public ::testing::TestWithParam<std::string> {
 protected:
  const MethodSpec& spec_ = FindMethod(GetParam())->spec;
};

TEST_P(MethodTest, TellsAboutItself) {
  EXPECT_THAT(spec_.name, MatchesRegex("[a-z][a-z0-9_]*"));
  EXPECT_FALSE(spec_.title.empty());
  EXPECT_THAT(spec_.summary, ::testing::EndsWith("."));
  EXPECT_FALSE(spec_.formula.empty());
  EXPECT_EQ(spec_.reference.empty(), spec_.name == "evaluate");
}

TEST_P(MethodTest, HyperparametersAreDescribedAndUnique) {
  std::set<std::string> names;
  for (const HyperparameterSpec& hyperparameter : spec_.hyperparameters) {
    EXPECT_THAT(hyperparameter.name, MatchesRegex("[a-z][a-z0-9_]*"));
    EXPECT_TRUE(names.insert(hyperparameter.name).second) << hyperparameter.name;
    EXPECT_FALSE(hyperparameter.description.empty()) << hyperparameter.name;
  }
}

TEST_P(MethodTest, DefaultsPassItsOwnCheck) {
  const absl::StatusOr<Hyperparameters> defaults = ResolveHyperparameters(spec_, {});
  ASSERT_TRUE(defaults.ok()) << defaults.status();
  EXPECT_EQ(defaults->size(), spec_.hyperparameters.size());
  const absl::StatusOr<Hyperparameters> again = ResolveHyperparameters(spec_, *defaults);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *defaults);
}

// Both ends of every range make a task too: no method finds out later what its spec could say.
TEST_P(MethodTest, BoundsPassItsOwnCheck) {
  for (const HyperparameterSpec& hyperparameter : spec_.hyperparameters) {
    for (const double bound : {hyperparameter.minimum, hyperparameter.maximum}) {
      HyperparameterValue value = hyperparameter.default_value;
      if (std::holds_alternative<double>(value)) value = bound;
      if (std::holds_alternative<int64_t>(value)) value = static_cast<int64_t>(bound);
      const bool excluded = hyperparameter.exclusive_minimum && bound == hyperparameter.minimum;
      EXPECT_EQ(CheckHyperparameters(spec_, {{hyperparameter.name, value}}).empty(), !excluded)
          << hyperparameter.name << " " << bound;
    }
  }
}

TEST_P(MethodTest, PlanKeepsWhatTheSpecPromises) {
  Scene scene = SceneFor(GetParam());
  const auto task = scene.Task(GetParam());
  const train::Plan& plan = task->plan();
  EXPECT_GT(plan.total_steps, 0);
  EXPECT_GT(plan.steps_per_epoch, 0);
  EXPECT_LE(plan.source_batch_size > 0, spec_.source != DataNeed::kNone);
  EXPECT_LE(plan.target_labels, spec_.target_labels == DataNeed::kRequired);
  EXPECT_EQ(task->confusion_matrix().defined(), spec_.name == "evaluate");

  // Groups may hold a parameter once: its name is the key of its optimiser state.
  std::set<std::string> names;
  std::set<const void*> tensors;
  for (const train::ParameterGroup& group : plan.groups) {
    for (const train::NamedParameter& parameter : group.parameters) {
      EXPECT_TRUE(names.insert(parameter.name).second) << parameter.name;
      EXPECT_TRUE(tensors.insert(parameter.tensor.unsafeGetTensorImpl()).second) << parameter.name;
    }
  }
}

TEST_P(MethodTest, MakingTheTaskLeavesTheModelAsItIs) {
  Scene scene = SceneFor(GetParam());
  const auto before = Snapshot(*scene.model);
  const auto task = scene.Task(GetParam());
  EXPECT_THAT(Changed(*scene.model, before), ::testing::IsEmpty());
}

TEST_P(MethodTest, OwnStateComesBack) {
  Scene scene = SceneFor(GetParam());
  const auto task = scene.Task(GetParam());
  train::StopSignal stop([] { return train::Directive::kContinue; });
  ASSERT_TRUE(task->BeforeStep(0, stop).ok());
  ASSERT_TRUE(task->BeginEpoch(0, stop).ok());
  ASSERT_TRUE(task->Step(scene.Input(8), stop).ok());
  const train::TensorMap state = task->State();
  const auto other = scene.Task(GetParam());
  const absl::Status status = other->Restore(state);
  ASSERT_TRUE(status.ok()) << status;
  const train::TensorMap restored = other->State();
  ASSERT_EQ(restored.size(), state.size());
  for (const auto& [name, tensor] : state) {
    EXPECT_TRUE(at::allclose(tensor, restored.at(name), 0, 0, /*equal_nan=*/true)) << name;
    // The runs inside a race are checked where they are restored.
    if (absl::StartsWith(name, "racers/") || absl::StartsWith(name, "student/")) continue;
    train::TensorMap incomplete = state;
    incomplete.erase(name);
    EXPECT_EQ(other->Restore(incomplete).code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

std::vector<std::string> AllMethods() {
  std::vector<std::string> names;
  for (const MethodEntry& entry : Registry()) names.push_back(entry.spec.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Registry, MethodTest, ::testing::ValuesIn(AllMethods()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace acclimate::methods
