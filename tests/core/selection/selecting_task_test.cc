// SelectingTask around tasks whose course is written down beforehand.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/methods/target_statistics.h"
#include "core/model/checkpoint.h"
#include "core/selection/selecting_task.h"
#include "core/train/pass.h"
#include "core/train/trainer.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::selection {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kSteps = 6;

const testing::World& Files() {
  static const auto* const kWorld = new testing::World("selection", "mlp", {12});
  return *kWorld;
}

std::unique_ptr<model::Model> SourceModel() {
  model::LoadOptions options;
  options.sample_shape = {12};
  return model::LoadCheckpoint(testing::OpenFile(Files().Path("model.safetensors")), options)
      .value();
}

const data::Dataset& Target() {
  static const auto* const kTarget = new data::Dataset(
      data::Dataset::Read(testing::OpenFile(Files().Path("target.safetensors"))).value());
  return *kTarget;
}

void Collapse(model::Model& model) {
  const at::NoGradGuard no_grad;
  for (const model::Parameter& parameter : model.parameters()) {
    if (parameter.head) parameter.tensor.zero_();
    if (parameter.head && parameter.tensor.dim() == 1) parameter.tensor[0] = 20.0;
  }
}

// Good after `good` steps, collapsed after every other one; 0: never good.
class TableTask : public train::Task {
 public:
  TableTask(model::Model& model, int64_t good) : model_(model), good_(good) {
    plan_.total_steps = kSteps;
    for (const auto& [name, tensor] : model.StateDict()) before_[name] = tensor.detach().clone();
  }
  const train::Plan& plan() const override { return plan_; }
  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override {
    absl::Status status = model_.LoadStateDict(before_);
    status.Update(methods::RecomputeStatistics(model_, Target(), at::kCPU, stop));
    if (!status.ok()) return status;
    if (input.step + 1 != good_) Collapse(model_);
    steps_ = at::scalar_tensor(input.step + 1, at::kLong);
    return train::StepOutput();
  }
  absl::Status Finish(train::StopSignal& stop) override {
    finished_at = steps_.item<int64_t>();
    return stop.Check();
  }
  train::TensorMap State() const override { return {{"steps", steps_}}; }
  absl::Status Restore(const train::TensorMap& state) override {
    steps_ = state.at("steps").clone();
    return absl::OkStatus();
  }

  int64_t finished_at = -1;

 private:
  model::Model& model_;
  const int64_t good_;
  train::TensorMap before_;
  train::Plan plan_;
  at::Tensor steps_ = at::scalar_tensor(0, at::kLong);
};

// Adds noise from the default generator to every parameter.
class NoisyTask : public train::Task {
 public:
  explicit NoisyTask(model::Model& model) : model_(model) { plan_.total_steps = kSteps; }
  const train::Plan& plan() const override { return plan_; }
  absl::StatusOr<train::StepOutput> Step(const train::StepInput&, train::StopSignal&) override {
    const at::NoGradGuard no_grad;
    for (const model::Parameter& parameter : model_.parameters()) {
      parameter.tensor.add_(0.01 * at::randn_like(parameter.tensor));
    }
    return train::StepOutput();
  }
  absl::Status Finish(train::StopSignal& stop) override {
    at::randn({3});  // what Preview() draws must be put back
    return methods::RecomputeStatistics(model_, Target(), at::kCPU, stop);
  }

 private:
  model::Model& model_;
  train::Plan plan_;
};

// A teacher that says what the source model says with the target's statistics. Asking it may be
// stopped; how often it spoke is counted.
AskWitnesses OneTeacher(int64_t* asked) {
  return [asked](train::StopSignal& stop) -> absl::StatusOr<Witnesses> {
    const auto model = SourceModel();
    const Examiner examiner(Target(), {}, at::kCPU, 1);
    absl::Status status = methods::RecomputeStatistics(*model, Target(), at::kCPU, stop);
    if (!status.ok()) return status;
    absl::StatusOr<Candidate> says = examiner.Examine(*model, absl::nullopt, Form::kAdapted, stop);
    if (!says.ok()) return says.status();
    ++*asked;
    return Witnesses{says->predicted, 0.9, absl::nullopt};
  };
}

std::shared_ptr<const Examiner> ExaminerOf(const GuardLabels* labels) {
  return std::make_shared<const Examiner>(Target(), std::vector<data::Dataset>(), at::kCPU, 1,
                                          Examiner::kSamples, labels);
}

template <typename Inner>
struct Held {
  template <typename... Arguments>
  explicit Held(SelectionOptions options, Arguments... arguments)
      : Held(AskWitnesses(), std::move(options), arguments...) {}

  template <typename... Arguments>
  Held(AskWitnesses ask_witnesses, SelectionOptions options, Arguments... arguments)
      : Held(ExaminerOf(nullptr), std::move(ask_witnesses), std::move(options), arguments...) {}

  template <typename... Arguments>
  Held(std::shared_ptr<const Examiner> its_examiner, AskWitnesses ask_witnesses,
       SelectionOptions options, Arguments... arguments)
      : examiner(std::move(its_examiner)), model(SourceModel()) {
    auto made = std::make_unique<Inner>(*model, arguments...);
    inner = made.get();
    if (options.moments.empty()) options.moments = {1, 2, 3, 4, 5};
    task = std::make_unique<SelectingTask>(
        std::move(made),
        SelectionSetting{*model, Target(), at::kCPU, examiner, &methods::RecomputeStatistics,
                         std::move(ask_witnesses), sights},
        std::move(options));
    trainer = std::make_unique<train::Trainer>(*task, *model, sources, Target(),
                                               train::TrainerOptions(), train::TrainerHooks());
  }

  nlohmann::json Report() const {
    nlohmann::json report;
    task->Report(report);
    return report["selection"];
  }

  const std::shared_ptr<const Examiner> examiner;
  const std::shared_ptr<Sights> sights = std::make_shared<Sights>();
  std::vector<data::Dataset> sources;
  std::unique_ptr<model::Model> model;
  Inner* inner;
  std::unique_ptr<SelectingTask> task;
  std::unique_ptr<train::Trainer> trainer;
};

train::StopSignal Never() {
  return train::StopSignal([] { return train::Directive::kContinue; });
}

std::map<std::string, at::Tensor> Tensors(const model::Model& model) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : model.StateDict()) tensors[name] = tensor.detach().clone();
  return tensors;
}

bool Equal(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!tensor.equal(b.at(name))) return false;
  }
  return true;
}

TEST(SelectingTask, ReturnsTheBestMomentOfTheRun) {
  for (const int64_t good : {1, 3, 6}) {
    Held<TableTask> run({}, good);
    train::StopSignal stop = Never();
    ASSERT_TRUE(run.trainer->Run(stop).ok());
    EXPECT_EQ(run.Report()["chosen"], absl::StrCat("step_", good)) << run.Report().dump(1);
    EXPECT_EQ(run.inner->finished_at, good);
    EXPECT_EQ(run.Report()["candidates"].size(), 8u);  // two forms of the source, six moments
    EXPECT_TRUE(run.task->Warnings().empty());
    const auto metrics = run.task->Metrics();
    EXPECT_GT(metrics.at("estimated_accuracy"), 0.8);
    EXPECT_LT(metrics.at("estimated_source_accuracy"), metrics.at("estimated_accuracy"));
    EXPECT_LE(metrics.at("estimated_accuracy_low"), metrics.at("estimated_accuracy"));
  }
}

TEST(SelectingTask, ReturnsTheSourceAndSaysSo) {
  Held<TableTask> run({}, 0);
  train::StopSignal stop = Never();
  ASSERT_TRUE(run.trainer->Run(stop).ok());
  EXPECT_EQ(run.Report()["chosen"], "source_with_target_statistics");
  ASSERT_THAT(run.task->Warnings(), SizeIs(1));
  EXPECT_THAT(run.task->Warnings()[0], HasSubstr("the source model is returned"));
  auto expected = SourceModel();
  ASSERT_TRUE(methods::RecomputeStatistics(*expected, Target(), at::kCPU, stop).ok());
  EXPECT_TRUE(Equal(Tensors(*run.model), Tensors(*expected)));
}

TEST(SelectingTask, WithoutGuardTheAdaptedOneIsReturned) {
  SelectionOptions options;
  options.guard = false;
  Held<TableTask> run(options, 0);
  train::StopSignal stop = Never();
  ASSERT_TRUE(run.trainer->Run(stop).ok());
  EXPECT_THAT(std::string(run.Report()["chosen"]), HasSubstr("step_"));
  // It collapsed onto one of three classes.
  EXPECT_THAT(run.task->Warnings(),
              ElementsAre(HasSubstr("agrees with the source model on only 33 %"),
                          HasSubstr("the guard is off")));
  EXPECT_NEAR(run.Report()["guard"]["agreement"].get<double>(), 1.0 / 3, 0.02);
}

TEST(SelectingTask, ItsRulesAreAskedAndReported) {
  Held<TableTask> run({}, 3);
  train::StopSignal stop = Never();
  ASSERT_TRUE(run.trainer->Run(stop).ok());
  const nlohmann::json rules = run.Report()["guard"]["rules"];
  ASSERT_EQ(rules.size(), 1u) << rules.dump(1);  // no held-out source, no record, no teacher
  EXPECT_EQ(rules[0]["rule"], "collapse");
  EXPECT_EQ(rules[0]["holds"], true);
}

TEST(SelectingTask, TrainingDoesNotNotice) {
  const auto plain_model = SourceModel();
  NoisyTask plain(*plain_model);
  train::StopSignal stop = Never();
  at::manual_seed(5);
  train::Trainer trainer(plain, *plain_model, {}, Target(), {}, {});
  ASSERT_TRUE(trainer.RunTo(kSteps, stop).ok());

  Held<NoisyTask> run({});
  at::manual_seed(5);
  ASSERT_TRUE(run.trainer->RunTo(kSteps, stop).ok());
  EXPECT_TRUE(Equal(Tensors(*run.model), Tensors(*plain_model)));
}

// The end alone is looked at, and nothing is chosen.
SelectionOptions Nothing() {
  SelectionOptions options;
  options.ensemble = options.guard = false;
  options.moments = {kSteps};  // no moment before the end
  return options;
}

// A stop signal is asked once a step, and once a batch of a pass; here a pass is one batch.
int64_t PassesOf(Held<NoisyTask>& run) {
  int64_t questions = 0;
  train::StopSignal counting([&questions] {
    ++questions;
    return train::Directive::kContinue;
  });
  EXPECT_TRUE(run.trainer->Run(counting).ok());
  return questions - kSteps;
}

TEST(SelectingTask, EveryModelIsSeenByOnePassForEverything) {
  ASSERT_LE(Target().size(), train::PassBatchSize(Target().sample_shape()));
  SelectionOptions three;
  three.moments = {2, 4};
  Held<NoisyTask> chosen(three), last(Nothing());
  // The source model, its other form and three candidates, each seen on samples and on mixtures of
  // them: each form but the first takes the target's statistics before it. So does what is
  // returned, the candidate or the other form.
  EXPECT_EQ(PassesOf(chosen), 2 + 3 + 3 * 3 + 1);
  // The source model, the statistics of the finished one, and that.
  EXPECT_EQ(PassesOf(last), 2 + 1 + 2);
  EXPECT_EQ(last.Report()["candidates"].size(), 2u);
  EXPECT_EQ(last.Report()["chosen"], absl::StrCat("step_", kSteps));
}

TEST(SelectingTask, WhatItSawIsLeftForTheViews) {
  Held<NoisyTask> run(Nothing());
  train::StopSignal stop = Never();
  ASSERT_TRUE(run.trainer->Run(stop).ok());
  const auto source = SourceModel();
  ASSERT_TRUE(run.sights->source && run.sights->returned);
  EXPECT_TRUE(
      run.sights->source->target.logits.equal(run.examiner->See(*source, stop)->target.logits));
  EXPECT_TRUE(run.sights->returned->target.logits.equal(
      run.examiner->See(*run.model, stop)->target.logits));
  EXPECT_FALSE(run.sights->source->held_out);

  Held<NoisyTask> chosen({});
  ASSERT_TRUE(chosen.trainer->Run(stop).ok());
  EXPECT_TRUE(chosen.sights->source);
  EXPECT_FALSE(chosen.sights->returned);
}

TEST(Moments, AsManyAsTheirShareOfTheRunAffords) {
  const auto model = SourceModel();
  const Examiner examiner(Target(), {}, at::kCPU, 1);
  train::Plan plan;
  plan.groups.emplace_back();
  plan.source_batch_size = plan.target_batch_size = 64;
  const double target = static_cast<double>(Target().size());
  for (const int64_t steps : {10, 300, 1000, 1500, 100000}) {
    plan.total_steps = steps;
    const std::vector<int64_t> moments = Moments(plan, *model, examiner);
    EXPECT_GE(moments.size(), 2u);
    EXPECT_LE(moments.size(), static_cast<size_t>(kMostMoments));
    // A look takes statistics and sees; the source model is seen as it came, too.
    const double looks = target * (1 + 2 * static_cast<double>(moments.size() + 2));
    const double run = 3.0 * 128 * static_cast<double>(steps);
    if (moments.size() > 2) {
      EXPECT_LE(looks, kShareOfRun * run) << steps;
    }
    if (moments.size() < static_cast<size_t>(kMostMoments)) {
      EXPECT_GT(looks + 2 * target, kShareOfRun * run) << steps;
    }
  }
}

TEST(SamplesOfLooks, AreFewerWhereTheRunIsShort) {
  const auto model = SourceModel();
  ASSERT_FALSE(model->batch_norm_layers().empty());
  train::Plan plan;
  plan.target_batch_size = 200;
  const auto samples = [&](int64_t steps, size_t source_domains = 0) {
    plan.total_steps = steps;
    return SamplesOfLooks(plan, *model, source_domains);
  };
  EXPECT_EQ(samples(1), kLeastSamples);
  EXPECT_EQ(samples(100000), Examiner::kSamples);
  // The source model with both statistics is three passes, each of three looks at the others two.
  const int64_t between = samples(25);
  EXPECT_NEAR(static_cast<double>(between) * 9, kMostShareOfRun * 3 * 25 * 200, 9);
  EXPECT_LT(samples(25, /*source_domains=*/1), between);
}

// What `model` says of 60 of the target's samples, as if it were the truth.
GuardLabels LabelsThat(model::Model& model) {
  train::StopSignal stop = Never();
  const at::Tensor rows = at::arange(60, at::kLong);
  data::Dataset samples = Target().Subset(rows, /*labels=*/false);
  const at::Tensor labels = Predict(model, samples, at::kCPU, stop)->logits.argmax(1);
  return {std::move(samples), labels};
}

// The good model of a TableTask.
GuardLabels LabelsThatTheGoodModelSays() {
  const auto model = SourceModel();
  train::StopSignal stop = Never();
  EXPECT_TRUE(methods::RecomputeStatistics(*model, Target(), at::kCPU, stop).ok());
  return LabelsThat(*model);
}

TEST(SelectingTask, LabelsOfTheTargetReachTheGuardAlone) {
  const GuardLabels labels = LabelsThat(*SourceModel());
  Held<TableTask> plain({}, 3), asked(ExaminerOf(&labels), AskWitnesses(), {}, 3);
  train::StopSignal stop = Never();
  ASSERT_TRUE(plain.trainer->Run(stop).ok());
  ASSERT_TRUE(asked.trainer->Run(stop).ok());
  // Everything but the guard's verdict is as without them: they are right where the source is.
  EXPECT_EQ(plain.Report()["candidates"], asked.Report()["candidates"]);
  EXPECT_EQ(plain.Report()["guard"]["adapted"], asked.Report()["guard"]["adapted"]);
  EXPECT_EQ(plain.Report()["chosen"], "step_3");
  EXPECT_EQ(asked.Report()["chosen"], "source");
  EXPECT_THAT(std::string(asked.Report()["guard"]["reason"]),
              HasSubstr("the source model on 60: gain -"));
  for (const Candidate& candidate : plain.task->candidates())
    EXPECT_FALSE(candidate.right.defined());
}

TEST(SelectingTask, RefusesAStateOfOtherLabels) {
  const GuardLabels labels = LabelsThatTheGoodModelSays();
  Held<TableTask> asked(ExaminerOf(&labels), AskWitnesses(), {}, 3), plain({}, 3);
  train::StopSignal stop = Never();
  ASSERT_TRUE(asked.trainer->RunTo(2, stop).ok());
  const absl::Status status = plain.trainer->Restore(asked.trainer->State());
  EXPECT_EQ(status.message(), "training state: a candidate was asked for other labels");
}

// Stopped at every single question and resumed in a new task over a new model.
TEST(SelectingTask, StopsAnywhereAndEndsBitEqual) {
  const GuardLabels labels = LabelsThatTheGoodModelSays();
  struct Case {
    int64_t good;
    SelectionOptions options;
    const GuardLabels* labels = nullptr;
  };
  for (const auto& [good, options, guard_labels] :
       std::vector<Case>{{3, {}}, {0, {}}, {kSteps, Nothing()}, {3, {}, &labels}}) {
    const std::shared_ptr<const Examiner> examiner = ExaminerOf(guard_labels);
    int64_t spoke = 0;
    const AskWitnesses teacher = OneTeacher(&spoke);
    Held<TableTask> straight(examiner, teacher, options, good);
    int64_t questions = 0;
    train::StopSignal counting([&questions] {
      ++questions;
      return train::Directive::kContinue;
    });
    ASSERT_TRUE(straight.trainer->Run(counting).ok());
    for (int64_t stop_at = 1; stop_at <= questions; ++stop_at) {
      SCOPED_TRACE(stop_at);
      Held<TableTask> first(examiner, teacher, options, good),
          second(examiner, teacher, options, good);
      int64_t asked = 0;
      train::StopSignal stopping([&] {
        return ++asked >= stop_at ? train::Directive::kPause : train::Directive::kContinue;
      });
      ASSERT_TRUE(absl::IsCancelled(first.trainer->Run(stopping)));
      train::TrainingState state = first.trainer->State();
      for (auto& [name, tensor] : state.tensors) tensor = tensor.clone();
      ASSERT_TRUE(second.trainer->Restore(state).ok());
      train::StopSignal stop = Never();
      ASSERT_TRUE(second.trainer->Run(stop).ok());
      EXPECT_TRUE(Equal(Tensors(*second.model), Tensors(*straight.model)));
      EXPECT_EQ(second.Report(), straight.Report());
    }
  }
}

}  // namespace
}  // namespace acclimate::selection
