#include "core/train/trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/losses/cross_entropy.h"
#include "core/model/architectures.h"
#include "core/runtime/random.h"

namespace acclimate::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Records its calls; a step does what the test says.
class FakeTask : public Task {
 public:
  using StepFunction = std::function<absl::StatusOr<StepOutput>(const StepInput&)>;

  FakeTask(Plan plan, StepFunction step) : plan_(std::move(plan)), step_(std::move(step)) {}

  const Plan& plan() const override { return plan_; }
  absl::Status BeginEpoch(int64_t epoch, StopSignal& stop) override {
    calls.push_back(absl::StrCat("begin ", epoch));
    if (on_begin) on_begin();
    return stop.Check();
  }
  absl::StatusOr<StepOutput> Step(const StepInput& input, StopSignal&) override {
    calls.push_back(absl::StrCat("step ", input.step));
    return step_(input);
  }
  absl::Status Finish(StopSignal& stop) override {
    calls.push_back("finish");
    return stop.Check();
  }
  TensorMap State() const override { return {{"memory", memory}}; }
  absl::Status Restore(const TensorMap& state) override {
    if (state.count("memory") == 0) return absl::InvalidArgumentError("no memory");
    memory = state.at("memory").clone();
    return absl::OkStatus();
  }

  std::vector<std::string> calls;
  std::function<void()> on_begin;
  at::Tensor memory = at::zeros({2});

 private:
  const Plan plan_;
  const StepFunction step_;
};

absl::StatusOr<StepOutput> Nothing(const StepInput&) { return StepOutput(); }

Plan Steps(int64_t total, int64_t per_epoch) {
  Plan plan;
  plan.total_steps = total;
  plan.steps_per_epoch = per_epoch;
  return plan;
}

data::Dataset Labelled(int64_t samples, const std::vector<int64_t>& sample_shape, int64_t seed) {
  std::vector<int64_t> shape = sample_shape;
  shape.insert(shape.begin(), samples);
  at::manual_seed(seed);
  const at::Tensor labels = at::randint(3, {samples});
  return data::Dataset::FromTensors(at::randn(shape), labels, absl::StrCat("data ", seed)).value();
}

std::unique_ptr<model::Model> Build(const std::string& name, const std::vector<int64_t>& shape) {
  at::manual_seed(11);
  return model::BuildArchitecture({name, shape, 3}).value();
}

// Continues for `polls` questions.
StopSignal After(int64_t polls, Directive directive) {
  return StopSignal(
      [polls, directive]() mutable { return polls-- > 0 ? Directive::kContinue : directive; });
}

class TrainerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Trainer> TrainerOf(FakeTask& task, TrainerHooks hooks = {},
                                     int64_t state_every_steps = 0) {
    TrainerOptions options;
    options.seed = 5;
    options.state_every_steps = state_every_steps;
    return std::make_unique<Trainer>(task, *model_, sources_, target_, options, std::move(hooks));
  }

  absl::Status Run(FakeTask& task, TrainerHooks hooks = {}, int64_t state_every_steps = 0) {
    StopSignal stop([] { return Directive::kContinue; });
    return TrainerOf(task, std::move(hooks), state_every_steps)->Run(stop);
  }

  // A plan that moves weight_ alone, by plain gradient descent at rate 0.5.
  Plan Descent(int64_t total_steps) const {
    Plan plan = Steps(total_steps, total_steps);
    plan.groups = {{{{"weight", weight_}}, 1.0}};
    plan.optimizer.learning_rate = 0.5;
    plan.optimizer.momentum = 0.0;
    plan.optimizer.nesterov = false;
    return plan;
  }

  FakeTask::StepFunction LossOf(double slope) const {
    return [this, slope](const StepInput&) -> absl::StatusOr<StepOutput> {
      StepOutput output;
      output.loss = weight_.sum() * slope;
      return output;
    };
  }

  std::unique_ptr<model::Model> model_ = Build("mlp", {4});
  std::vector<data::Dataset> sources_ = {Labelled(10, {4}, 1), Labelled(7, {4}, 2)};
  data::Dataset target_ = Labelled(12, {4}, 3);
  at::Tensor weight_ = at::zeros({1}).requires_grad_();
};

TEST_F(TrainerTest, CallsComeInOrder) {
  std::vector<double> progress;
  FakeTask task(Steps(5, 2), [&](const StepInput& input) {
    progress.push_back(input.progress.item<double>());
    return Nothing(input);
  });
  ASSERT_TRUE(Run(task).ok());
  EXPECT_THAT(task.calls, ElementsAre("begin 0", "step 0", "step 1", "begin 1", "step 2", "step 3",
                                      "begin 2", "step 4", "finish"));
  EXPECT_THAT(progress, ElementsAre(0.0, 0.2, 0.4, 0.6, 0.8));
}

TEST_F(TrainerTest, BatchesAreDrawnEvenlyAndCounted) {
  Plan plan = Steps(4, 2);
  plan.source_batch_size = 5;  // three of each of the two sources
  plan.target_batch_size = 4;
  FakeTask task(plan, [&](const StepInput& input) -> absl::StatusOr<StepOutput> {
    EXPECT_EQ(input.source.inputs.size(0), 6);
    EXPECT_EQ(input.source.labels.size(0), 6);
    for (int64_t i = 0; i < 6; ++i) {
      const at::Tensor home = sources_[i < 3 ? 0 : 1].stored_inputs();
      EXPECT_TRUE(home.eq(input.source.inputs[i]).all(1).any().item<bool>()) << i;
    }
    EXPECT_TRUE(at::equal(input.target.inputs,
                          target_.stored_inputs().index_select(0, input.target_index)));
    StepOutput output;
    output.samples = 100;  // a pass of its own
    return output;
  });
  Progress last;
  ASSERT_TRUE(
      Run(task, {[&](const Progress& progress, const auto&) { last = progress; }, {}}).ok());
  EXPECT_EQ(last.samples, 4 * (6 + 4 + 100));
  EXPECT_EQ(last.step, 4);
  EXPECT_EQ(last.total_steps, 4);
  EXPECT_EQ(last.epoch, 2);
  EXPECT_EQ(last.total_epochs, 2);
}

TEST_F(TrainerTest, TargetLabelsReachOnlyTasksThatPlanThem) {
  for (const bool planned : {false, true}) {
    Plan plan = Steps(2, 2);
    plan.target_batch_size = 4;
    plan.target_labels = planned;
    FakeTask task(plan, [&](const StepInput& input) {
      EXPECT_EQ(input.target.labels.defined(), planned);
      if (planned) {
        EXPECT_TRUE(
            at::equal(input.target.labels, target_.labels().index_select(0, input.target_index)));
      }
      return Nothing(input);
    });
    EXPECT_TRUE(Run(task).ok());
  }
}

TEST_F(TrainerTest, TheViewIsLaidOverTheInputsOfBothDomains) {
  Plan plan = Steps(2, 1);
  plan.source_batch_size = 4;
  plan.target_batch_size = 3;
  plan.view = [](const at::Tensor& inputs) { return inputs + 100; };
  FakeTask task(plan, [&](const StepInput& input) {
    EXPECT_GT(input.source.inputs.min().item<double>(), 50);
    EXPECT_TRUE(
        input.target.inputs.equal(target_.Gather(input.target_index, at::kCPU).inputs + 100));
    return StepOutput();
  });
  EXPECT_TRUE(Run(task).ok());
}

TEST_F(TrainerTest, NothingIsDrawnThatIsNotPlanned) {
  FakeTask task(Steps(1, 1), [](const StepInput& input) {
    EXPECT_FALSE(input.source.inputs.defined());
    EXPECT_FALSE(input.target.inputs.defined());
    return Nothing(input);
  });
  EXPECT_TRUE(Run(task).ok());
}

TEST_F(TrainerTest, ReportsPartsValuesAndOnlineAccuracy) {
  Plan plan = Descent(3);
  plan.target_batch_size = 5;
  std::vector<double> expected_accuracy;
  FakeTask task(plan, [&](const StepInput& input) -> absl::StatusOr<StepOutput> {
    int64_t ones = 0;  // the logits below always predict class 1
    for (int64_t i = 0; i < 5; ++i) {
      ones += target_.labels()[input.target_index[i].item<int64_t>()].item<int64_t>() == 1;
    }
    expected_accuracy.push_back(ones / 5.0);
    StepOutput output;
    output.loss = weight_.sum() + 2.0;
    output.parts = {{"part", at::scalar_tensor(0.25)}};
    output.values = {{"lambda", 0.5}};
    output.target_logits = at::tensor({0.f, 1.f, 0.f}).expand({5, 3});
    return output;
  });
  std::vector<std::map<std::string, double>> reports;
  std::vector<int64_t> steps;
  const auto on_metrics = [&](const Progress& progress, const auto& values) {
    steps.push_back(progress.step);
    reports.push_back(values);
  };
  const auto trainer = TrainerOf(task, {on_metrics, {}});
  StopSignal stop = After(100, Directive::kCancel);
  ASSERT_TRUE(trainer->Run(stop).ok());
  ASSERT_GE(reports.size(), 2u);
  EXPECT_EQ(steps.front(), 1);
  EXPECT_EQ(steps.back(), 3);
  const std::map<std::string, double> first = {{"loss", 2.0},
                                               {"loss/part", 0.25},
                                               {"lambda", 0.5},
                                               {"learning_rate", 0.5},
                                               {"online_accuracy", expected_accuracy[0]}};
  EXPECT_EQ(reports.front(), first);
  const std::vector<CurvePoint>& curve = trainer->curves().points().at("online_accuracy");
  ASSERT_EQ(curve.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(curve[i].step, static_cast<int64_t>(i + 1));
    EXPECT_DOUBLE_EQ(curve[i].value, expected_accuracy[i]);
  }
}

TEST_F(TrainerTest, LearningRateFollowsTheSchedule) {
  Plan plan = Descent(6);
  plan.schedule = Schedule::kInverseDecay;
  FakeTask task(plan, LossOf(2.0));
  ASSERT_TRUE(Run(task).ok());
  double expected = 0.0;
  for (int64_t step = 0; step < 6; ++step) {
    expected -= 0.5 * 2.0 * ScheduleFactor(Schedule::kInverseDecay, step, 6);
  }
  EXPECT_NEAR(weight_.item<double>(), expected, 1e-5);
}

TEST_F(TrainerTest, GradientsDoNotAddUpOverSteps) {
  FakeTask task(Descent(3), LossOf(1.0));
  ASSERT_TRUE(Run(task).ok());
  EXPECT_NEAR(weight_.item<double>(), -1.5, 1e-6);
}

TEST_F(TrainerTest, OnlyThePlansParametersRequireGradientsAndAllAreGivenBack) {
  const std::vector<model::Parameter>& parameters = model_->parameters();
  for (const model::Parameter& parameter : parameters) parameter.tensor.requires_grad_(true);
  parameters[0].tensor.requires_grad_(false);
  parameters[1].tensor.requires_grad_(false);
  Plan plan = Descent(1);
  plan.groups = {{{{parameters[0].name, parameters[0].tensor}}, 1.0}};
  FakeTask task(plan, [&](const StepInput&) -> absl::StatusOr<StepOutput> {
    for (size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_EQ(parameters[i].tensor.requires_grad(), i == 0) << parameters[i].name;
    }
    StepOutput output;
    output.loss = parameters[0].tensor.sum();
    return output;
  });
  ASSERT_TRUE(Run(task).ok());
  for (size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_EQ(parameters[i].tensor.requires_grad(), i > 1) << parameters[i].name;
    EXPECT_FALSE(parameters[i].tensor.grad().defined()) << parameters[i].name;
  }
}

TEST_F(TrainerTest, StopTakesEffectBeforeTheNextStep) {
  for (const Directive directive : {Directive::kCancel, Directive::kPause}) {
    Directive wish = Directive::kContinue;
    FakeTask task(Steps(9, 3), [&](const StepInput& input) {
      if (input.step == 4) wish = directive;
      return Nothing(input);
    });
    const auto trainer = TrainerOf(task);
    StopSignal stop([&] { return wish; });
    EXPECT_EQ(trainer->Run(stop).code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(trainer->step(), 5);
    EXPECT_EQ(task.calls.back(), "step 4");
    EXPECT_EQ(stop.directive(), directive);
  }
}

TEST_F(TrainerTest, EpochThatWasStoppedAtItsBeginningBeginsAgain) {
  Directive wish = Directive::kContinue;
  FakeTask task(Steps(4, 2), Nothing);
  task.on_begin = [&] {
    if (task.calls.back() == "begin 1") wish = Directive::kPause;
  };
  const auto trainer = TrainerOf(task);
  StopSignal pause([&] { return wish; });
  EXPECT_EQ(trainer->Run(pause).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(trainer->step(), 2);
  StopSignal never([] { return Directive::kContinue; });
  ASSERT_TRUE(trainer->Run(never).ok());
  EXPECT_THAT(task.calls, ElementsAre("begin 0", "step 0", "step 1", "begin 1", "begin 1", "step 2",
                                      "step 3", "finish"));
}

TEST_F(TrainerTest, RestoredWithinAnEpochDoesNotBeginItAgain) {
  FakeTask first(Steps(4, 2), Nothing), second(Steps(4, 2), Nothing);
  const auto stopped = TrainerOf(first);
  StopSignal stop = After(5, Directive::kPause);  // of questions: each begin asks one more
  first.memory.fill_(3.0);
  EXPECT_EQ(stopped->Run(stop).code(), absl::StatusCode::kCancelled);
  ASSERT_EQ(stopped->step(), 3);
  const auto resumed = TrainerOf(second);
  const absl::Status status = resumed->Restore(stopped->State());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(resumed->step(), 3);
  EXPECT_TRUE(at::equal(second.memory, first.memory));
  StopSignal never([] { return Directive::kContinue; });
  ASSERT_TRUE(resumed->Run(never).ok());
  EXPECT_THAT(second.calls, ElementsAre("step 3", "finish"));
}

TEST_F(TrainerTest, FinishIsRepeatedAfterAStop) {
  Directive wish = Directive::kContinue;
  FakeTask task(Steps(1, 1), [&](const StepInput& input) {
    wish = Directive::kPause;
    return Nothing(input);
  });
  const auto trainer = TrainerOf(task);
  StopSignal pause([&] { return wish; });
  EXPECT_EQ(trainer->Run(pause).code(), absl::StatusCode::kCancelled);
  StopSignal never([] { return Directive::kContinue; });
  EXPECT_TRUE(trainer->Run(never).ok());
  EXPECT_THAT(task.calls, ElementsAre("begin 0", "step 0", "finish", "finish"));
}

TEST_F(TrainerTest, LossThatIsNoNumberNamesTheLearningRate) {
  for (const double slope :
       {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    weight_.detach().fill_(1.0);
    FakeTask task(Descent(3), LossOf(slope));
    const absl::Status status = Run(task);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("hyperparameters.learning_rate"));
    EXPECT_THAT(status.message(), HasSubstr("step 1"));
    EXPECT_THAT(task.calls, ElementsAre("begin 0", "step 0"));
  }
}

TEST_F(TrainerTest, ErrorOfAStepEndsTheRun) {
  FakeTask task(Steps(3, 3), [](const StepInput&) -> absl::StatusOr<StepOutput> {
    return absl::OutOfRangeError("of the step");
  });
  EXPECT_EQ(Run(task), absl::OutOfRangeError("of the step"));
  EXPECT_EQ(task.calls.size(), 2u);
}

TEST_F(TrainerTest, StatesAreDueOnTheWayButNotAtTheEnd) {
  FakeTask task(Steps(6, 6), Nothing);
  std::vector<int64_t> steps;
  const auto on_state = [&](int64_t step) {
    steps.push_back(step);
    return absl::OkStatus();
  };
  ASSERT_TRUE(Run(task, {{}, on_state}, /*state_every_steps=*/2).ok());
  EXPECT_THAT(steps, ElementsAre(2, 4));
}

TEST_F(TrainerTest, StatesAreDueInTimeButTakeAFiftiethOfIt) {
  FakeTask task(Steps(60, 60), Nothing);
  int states = 0;
  TrainerOptions options;
  options.state_every_seconds = 1e-9;
  // Each takes so long that no other is due in this run.
  const auto on_state = [&](int64_t) {
    ++states;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return absl::OkStatus();
  };
  Trainer trainer(task, *model_, sources_, target_, options, {{}, on_state});
  StopSignal stop([] { return Directive::kContinue; });
  ASSERT_TRUE(trainer.Run(stop).ok());
  EXPECT_EQ(states, 1);
}

TEST_F(TrainerTest, StateThatCannotBeWrittenEndsTheRun) {
  FakeTask task(Steps(6, 6), Nothing);
  const auto on_state = [](int64_t) { return absl::ResourceExhaustedError("disk"); };
  EXPECT_EQ(Run(task, {{}, on_state}, /*state_every_steps=*/2),
            absl::ResourceExhaustedError("disk"));
  EXPECT_EQ(task.calls.back(), "step 1");
}

TEST_F(TrainerTest, IncompleteStatesAreRefused) {
  Plan plan = Descent(2);
  plan.source_batch_size = 2;
  plan.target_batch_size = 2;
  FakeTask task(plan, LossOf(1.0));
  const auto trainer = TrainerOf(task);
  const TrainingState whole = trainer->State();
  ASSERT_TRUE(trainer->Restore(whole).ok());
  for (const char* part :
       {"model/fc.weight", "task/memory", "generators/cpu", "source_sampler_1/generator",
        "target_sampler/place", "loop/step", "loop/samples", "loop/epoch_begun"}) {
    TrainingState state = whole;
    ASSERT_EQ(state.tensors.erase(part), 1u) << part;
    EXPECT_EQ(trainer->Restore(state).code(), absl::StatusCode::kInvalidArgument) << part;
  }
}

// Dropout, batch norm and Adam on lenet: everything that has state.
class ResumeTest : public ::testing::Test {
 protected:
  struct Attempt {
    explicit Attempt(const data::Dataset& target) : model(Build("lenet", {1, 16, 16})) {
      Plan plan = Steps(9, 3);
      plan.target_batch_size = 4;
      plan.target_labels = true;
      ParameterGroup group;
      for (const model::Parameter& parameter : model->parameters()) {
        group.parameters.push_back({parameter.name, parameter.tensor});
      }
      plan.groups = {group};
      plan.optimizer.kind = OptimizerOptions::Kind::kAdam;
      task = std::make_unique<FakeTask>(
          plan, [this](const StepInput& input) -> absl::StatusOr<StepOutput> {
            const at::Tensor logits =
                model->Forward(input.target.inputs, model::Mode::kTraining).logits;
            StepOutput output;
            output.loss = losses::CrossEntropy(logits, input.target.labels);
            output.target_logits = logits.detach();
            return output;
          });
      trainer = std::make_unique<Trainer>(*task, *model, sources, target, TrainerOptions(),
                                          TrainerHooks());
    }

    std::unique_ptr<model::Model> model;
    std::unique_ptr<FakeTask> task;
    std::vector<data::Dataset> sources;
    std::unique_ptr<Trainer> trainer;
  };

  const data::Dataset target_ = Labelled(14, {1, 16, 16}, 4);
};

TEST_F(ResumeTest, EndsBitEqual) {
  Attempt straight(target_);
  runtime::SeedEverything(1);
  StopSignal never([] { return Directive::kContinue; });
  ASSERT_TRUE(straight.trainer->Run(never).ok());

  Attempt stopped(target_);
  runtime::SeedEverything(1);
  StopSignal stop = After(6, Directive::kPause);
  ASSERT_EQ(stopped.trainer->Run(stop).code(), absl::StatusCode::kCancelled);
  ASSERT_GT(stopped.trainer->step(), 3);
  ASSERT_LT(stopped.trainer->step(), 6);  // within an epoch
  const TrainingState state = stopped.trainer->State();

  Attempt resumed(target_);
  runtime::SeedEverything(2);
  const absl::Status status = resumed.trainer->Restore(state);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(resumed.trainer->Run(never).ok());

  const TrainingState one = straight.trainer->State(), other = resumed.trainer->State();
  ASSERT_EQ(one.tensors.size(), other.tensors.size());
  for (const auto& [name, tensor] : one.tensors) {
    EXPECT_TRUE(at::equal(tensor, other.tensors.at(name))) << name;
  }
}

TEST_F(ResumeTest, DropoutDependsOnTheGenerator) {
  // Or the test above would prove less than it says.
  Attempt one(target_), other(target_);
  StopSignal never([] { return Directive::kContinue; });
  runtime::SeedEverything(1);
  ASSERT_TRUE(one.trainer->Run(never).ok());
  runtime::SeedEverything(2);
  ASSERT_TRUE(other.trainer->Run(never).ok());
  EXPECT_FALSE(
      at::equal(one.model->StateDict().at("fc.weight"), other.model->StateDict().at("fc.weight")));
}

}  // namespace
}  // namespace acclimate::train
