// The loop on an accelerator: recorded steps, and those that cannot be.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>

#include "core/losses/cross_entropy.h"
#include "core/train/trainer.h"
#include "tests/accelerator/pretend_accelerator.h"
#include "tests/core/methods/scene.h"

namespace acclimate::train {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kLoopSteps = 30, kBatch = 16;

// Learns the source; `measure` is what it reports of the logits beside the loss.
class LearningTask : public Task {
 public:
  using Measure = std::function<at::Tensor(const at::Tensor& logits)>;

  LearningTask(model::Model& model, int kind, Measure measure = {})
      : model_(model), kind_(kind), measure_(std::move(measure)) {
    plan_.total_steps = kLoopSteps;
    plan_.steps_per_epoch = 3;
    plan_.source_batch_size = kBatch;
    ParameterGroup group;
    for (const model::Parameter& p : model.parameters()) {
      group.parameters.push_back({p.name, p.tensor});
    }
    plan_.groups = {group};
    plan_.schedule = Schedule::kInverseDecay;
  }

  const Plan& plan() const override { return plan_; }
  int KindOf(int64_t) const override { return kind_; }
  void AfterStep(int64_t steps_done) override { steps_done_ = steps_done; }
  absl::StatusOr<StepOutput> Step(const StepInput& input, StopSignal&) override {
    ++calls_;
    const at::Tensor logits = model_.Forward(input.source.inputs, model::Mode::kTraining).logits;
    StepOutput output;
    output.loss = losses::CrossEntropy(logits, input.source.labels) * (1 + input.progress);
    if (measure_) output.measures["measure"] = measure_(logits);
    return output;
  }

  int64_t calls() const { return calls_; }
  int64_t steps_done() const { return steps_done_; }

 private:
  model::Model& model_;
  const int kind_;
  const Measure measure_;
  Plan plan_;
  int64_t calls_ = 0, steps_done_ = 0;
};

class StepsTest : public ::testing::Test {
 protected:
  StepsTest() : scene_("dtn", {1, 8, 8}) { scene_.model->To(testing::PretendAccelerator()); }

  // Runs the task from the same beginning, and leaves its trainer.
  absl::Status Run(LearningTask& task) {
    TrainerOptions options;
    options.device = testing::PretendAccelerator();
    options.report_seconds = 1e9;
    TrainerHooks hooks;
    hooks.on_metrics = [this](const Progress&, const auto& values) { last_metrics_ = values; };
    trainer_ = std::make_unique<Trainer>(task, *scene_.model, scene_.sources, scene_.target,
                                         options, hooks);
    StopSignal stop([] { return Directive::kContinue; });
    at::manual_seed(6);  // of dropout
    return trainer_->Run(stop);
  }

  std::map<std::string, at::Tensor> Weights() const { return testing::Snapshot(*scene_.model); }

  testing::Scene scene_;
  std::unique_ptr<Trainer> trainer_;
  std::map<std::string, double> last_metrics_;
};

TEST_F(StepsTest, ReplaysAreEqualToCalls) {
  const auto fresh = Weights();
  LearningTask called(*scene_.model, Task::kNoKind);
  ASSERT_TRUE(Run(called).ok());
  EXPECT_EQ(called.calls(), kLoopSteps);
  const auto expected = Weights();
  const auto expected_metrics = last_metrics_;
  const auto curve = trainer_->curves().points().at("loss");

  ASSERT_TRUE(scene_.model->LoadStateDict(fresh).ok());
  LearningTask replayed(*scene_.model, 0);
  ASSERT_TRUE(Run(replayed).ok());
  EXPECT_THAT(testing::Changed(*scene_.model, expected), IsEmpty());
  EXPECT_EQ(last_metrics_, expected_metrics);
  EXPECT_EQ(replayed.calls(), 11);  // ten, and one to record
  EXPECT_EQ(trainer_->graphs().replays(), kLoopSteps - 10);
  EXPECT_EQ(replayed.steps_done(), kLoopSteps);
  ASSERT_EQ(trainer_->curves().points().at("loss").size(), curve.size());
  for (size_t i = 0; i < curve.size(); ++i) {
    EXPECT_EQ(trainer_->curves().points().at("loss")[i].value, curve[i].value) << i;
  }
}

TEST_F(StepsTest, AStepThatReadsAValueIsCalledFromThenOn) {
  const auto fresh = Weights();
  const LearningTask::Measure reading = [](const at::Tensor& logits) {
    return at::full({}, logits.sum().item<double>(), logits.options());
  };
  LearningTask called(*scene_.model, Task::kNoKind, reading);
  ASSERT_TRUE(Run(called).ok());
  const auto expected = Weights();
  EXPECT_THAT(trainer_->graphs().refusal(), IsEmpty());

  ASSERT_TRUE(scene_.model->LoadStateDict(fresh).ok());
  LearningTask refused(*scene_.model, 0, reading);
  ASSERT_TRUE(Run(refused).ok());
  EXPECT_THAT(testing::Changed(*scene_.model, expected), IsEmpty());
  EXPECT_EQ(trainer_->graphs().replays(), 0);
  EXPECT_THAT(trainer_->graphs().refusal(), HasSubstr("reading a value"));
}

TEST_F(StepsTest, ALossThatIsNoNumberIsFoundAndItsStepNamed) {
  LearningTask task(*scene_.model, 0);
  at::Tensor(scene_.model->parameters().back().tensor.detach())
      .fill_(std::numeric_limits<float>::infinity());
  const absl::Status status = Run(task);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the loss at step 1 is"));
}

}  // namespace
}  // namespace acclimate::train
