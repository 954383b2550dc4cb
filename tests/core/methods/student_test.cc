#include "core/methods/teaching/student.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "core/methods/settings.h"
#include "core/train/trainer.h"
#include "tests/core/methods/reference_mlp.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using ::testing::ElementsAre;
using testing::ExpectStatisticsOf;
using testing::kClasses;
using testing::OfTheBatch;
using testing::ReferenceMlp;
using testing::Scene;
using testing::Snapshot;

// Sure of a class that has nothing to do with the one that the source would tell.
at::Tensor Contrary(const data::Dataset& target) {
  const at::Tensor classes = (target.labels() + 1).remainder(kClasses);
  return at::one_hot(classes, kClasses).to(at::kFloat) * 0.9 + 0.1 / kClasses;
}

class StudentTest : public ::testing::Test {
 protected:
  MethodContext Context() {
    return {*scene_.model, scene_.sources, scene_.target, at::kCPU, settings_, scene_.inputs};
  }
  std::unique_ptr<train::Task> Student(const StudentOptions& options = {}) {
    return MakeStudent(Context(), Contrary(scene_.target), options).value();
  }

  Scene scene_;
  const Settings settings_{Hyperparameters()};
  train::StopSignal stop_{[] { return train::Directive::kContinue; }};
};

TEST_F(StudentTest, StepIsCrossEntropyAndDivergenceFromTheTeachersRows) {
  const ReferenceMlp reference(*scene_.model);
  const at::Tensor teacher = at::rand({scene_.target.size(), kClasses}).softmax(1);
  const auto task = MakeStudent(Context(), teacher, {}).value();
  const train::StepInput input = scene_.Input(12);
  const train::StepOutput output = task->Step(input, stop_).value();

  const at::Tensor source = reference.Forward(input.source.inputs, OfTheBatch).logits;
  const at::Tensor target = reference.Forward(input.target.inputs, OfTheBatch).logits;
  double cross_entropy = 0, divergence = 0;
  for (int64_t i = 0; i < 12; ++i) {
    const at::Tensor p = source[i].softmax(0), q = target[i].softmax(0);
    const at::Tensor t = teacher[input.target_index[i].item<int64_t>()].to(at::kDouble);
    cross_entropy -= p[input.source.labels[i].item<int64_t>()].log().item<double>() / 12;
    divergence += (t * (t / q).log()).sum().item<double>() / 12;
  }
  EXPECT_NEAR(output.parts.at("source").item<double>(), cross_entropy, 1e-4);
  EXPECT_NEAR(output.parts.at("teacher").item<double>(), divergence, 1e-4);
  EXPECT_NEAR(output.loss.item<double>(), cross_entropy + divergence, 1e-4);
}

TEST_F(StudentTest, WithoutSourcesFollowsTheTeacherAlone) {
  scene_.sources.clear();
  StudentOptions options;
  options.steps = 300;
  options.batch_size = 16;
  const auto task = Student(options);
  EXPECT_EQ(task->plan().source_batch_size, 0);
  ASSERT_TRUE(scene_.Train(*task).ok());
  EXPECT_GT(task->Metrics().at("teacher_agreement"), 0.95);
  EXPECT_EQ(task->Metrics().count("teacher_source_accuracy"), 0u);
  ExpectStatisticsOf(*scene_.model, scene_.TargetInputs());
}

// One sample of a broken sensor among others: they are learned as without it.
TEST_F(StudentTest, ASampleFarOutHasNoPartInTheStatistics) {
  at::Tensor inputs = scene_.target.stored_inputs().clone();
  inputs[7].mul_(1e5);
  scene_.target = scene_.target.WithSamples(inputs, scene_.target.labels(), "target").value();
  scene_.sources.clear();
  StudentOptions options;
  options.steps = 300;
  options.batch_size = 16;
  options.augment = "none";  // noise as wide as the samples lie apart
  const auto task = Student(options);
  ASSERT_TRUE(scene_.Train(*task).ok());
  EXPECT_GT(task->Metrics().at("teacher_agreement"), 0.93);
  ExpectStatisticsOf(*scene_.model,
                     at::cat({inputs.narrow(0, 0, 7), inputs.narrow(0, 8, inputs.size(0) - 8)}));
}

TEST_F(StudentTest, AProbabilityOfZeroIsNoInfiniteLoss) {
  const at::Tensor sure = at::one_hot(scene_.target.labels(), kClasses).to(at::kFloat);
  const auto task = MakeStudent(Context(), sure, {}).value();
  const at::Tensor loss = task->Step(scene_.Input(12), stop_)->loss;
  EXPECT_TRUE(loss.isfinite().item<bool>()) << loss;
}

TEST_F(StudentTest, AResumedRunEndsTheSameAndAsksTheTeacherNoMore) {
  StudentOptions options;
  options.steps = 30;
  options.batch_size = 16;
  options.generations = 3;  // the second begins just before the state is taken
  int asked = 0;
  const auto teach = [&](train::StopSignal&) -> absl::StatusOr<Teaching> {
    ++asked;
    return Teaching{Contrary(scene_.target), 0.75};
  };
  const auto first = MakeStudent(Context(), teach, options);
  EXPECT_EQ(asked, 0);
  train::Trainer whole(*first, *scene_.model, scene_.sources, scene_.target, {}, {});
  ASSERT_TRUE(whole.RunTo(11, stop_).ok());
  train::TrainingState state;
  state.Add("", whole.State().tensors);
  for (auto& [name, tensor] : state.tensors) tensor = tensor.detach().clone();
  ASSERT_TRUE(whole.Run(stop_).ok());
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(first->Metrics().at("teacher_source_accuracy"), 0.75);
  const auto expected = Snapshot(*scene_.model);

  Scene other;
  const auto second = MakeStudent(
      {*other.model, other.sources, other.target, at::kCPU, settings_, other.inputs},
      [](train::StopSignal&) -> absl::StatusOr<Teaching> {
        return absl::InternalError("asked again");
      },
      options);
  train::Trainer rest(*second, *other.model, other.sources, other.target, {}, {});
  ASSERT_TRUE(rest.Restore(state).ok());
  const absl::Status status = rest.Run(stop_);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(testing::Changed(*other.model, expected), ElementsAre());
  EXPECT_EQ(second->Metrics(), first->Metrics());
}

// Its second generation begins with the loss of a network that follows itself, the teacher's no
// more.
TEST_F(StudentTest, LaterGenerationsLearnFromThemselves) {
  StudentOptions options;
  options.steps = 20;
  options.generations = 2;
  const auto gap = [&](bool other_kind) {
    Scene scene;
    const MethodContext context = {*scene.model, scene.sources, scene.target,
                                   at::kCPU,     settings_,     scene.inputs};
    const auto task = MakeStudent(
        context,
        [&](train::StopSignal&) -> absl::StatusOr<Teaching> {
          Teaching teaching{Contrary(scene.target)};
          teaching.other_kind = other_kind;
          return teaching;
        },
        options);
    train::Trainer trainer(*task, *scene.model, scene.sources, scene.target, {}, {});
    EXPECT_TRUE(trainer.RunTo(10, stop_).ok());
    EXPECT_TRUE(task->BeforeStep(10, stop_).ok());
    const train::TensorMap state = task->State();
    return (state.at("learnt/probabilities") - state.at("teacher/probabilities"))
        .abs()
        .max()
        .item<double>();
  };
  EXPECT_GT(gap(false), 0.01);
  EXPECT_EQ(gap(true), 0.0);
}

TEST_F(StudentTest, AStoppedTeacherIsAskedAgain) {
  int asked = 0;
  const auto teach = [&](train::StopSignal& stop) -> absl::StatusOr<Teaching> {
    ++asked;
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    return Teaching{Contrary(scene_.target)};
  };
  StudentOptions options;
  options.steps = 2;
  const auto task = MakeStudent(Context(), teach, options);
  train::StopSignal stopped([] { return train::Directive::kCancel; });
  EXPECT_TRUE(absl::IsCancelled(task->BeforeStep(0, stopped)));
  // A state from before the teacher has spoken holds nothing of it.
  const auto resumed = MakeStudent(Context(), teach, options);
  ASSERT_TRUE(resumed->Restore(task->State()).ok());
  ASSERT_TRUE(scene_.Train(*resumed).ok());
  EXPECT_EQ(asked, 2);
}

TEST_F(StudentTest, TurnsAwayProbabilitiesThatDoNotFit) {
  const int64_t samples = scene_.target.size();
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{
           {samples - 1, kClasses}, {samples, kClasses + 1}, {samples}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(MakeStudent(Context(), at::rand(shape), {}).status()))
        << at::IntArrayRef(shape);
  }
}

}  // namespace
}  // namespace acclimate::methods
