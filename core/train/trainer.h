// The training loop: batches, updates, schedule, metrics, stops, and the state to resume from.
#ifndef ACCLIMATE_CORE_TRAIN_TRAINER_H_
#define ACCLIMATE_CORE_TRAIN_TRAINER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/data/loader.h"
#include "core/data/sampler.h"
#include "core/model/model.h"
#include "core/runtime/work_stream.h"
#include "core/train/learning_curves.h"
#include "core/train/loss_scale.h"
#include "core/train/optimizer.h"
#include "core/train/progress.h"
#include "core/train/step_graphs.h"
#include "core/train/step_metrics.h"
#include "core/train/stop_signal.h"
#include "core/train/task.h"
#include "core/train/training_state.h"
#include "core/train/update_limits.h"

namespace acclimate::train {

struct TrainerOptions {
  at::Device device = at::kCPU;
  uint64_t seed = 0;              // of the samplers
  int64_t state_every_steps = 0;  // call on_state this often; 0: never
  // The same in seconds, but never for more than a fiftieth of the time; 0: never.
  double state_every_seconds = 0;
  double report_seconds = 0.2;  // call on_metrics about this often
  bool replay_steps = true;     // recorded ones, where the device can record
};

struct TrainerHooks {
  // Every report_seconds, and after the first and the last step.
  std::function<void(const Progress&, const std::map<std::string, double>&)> on_metrics;
  // After every state_every_steps steps but the last, and every state_every_seconds.
  std::function<absl::Status(int64_t step)> on_state;
};

// Drives one Task to its end. On an accelerator the host runs ahead of the device: it draws and
// sends the next batches while that is at work, and waits for it a few times a second, for metrics,
// and where a state is saved. Not thread-safe; everything it is given must outlive it.
class Trainer {
 public:
  // The task has been set up. `sources` may be empty when the plan draws no source batches.
  Trainer(Task& task, model::Model& model, const std::vector<data::Dataset>& sources,
          const data::Dataset& target, const TrainerOptions& options, TrainerHooks hooks);
  ~Trainer();

  // OK: the task is finished. CANCELLED: `stop` said so; State() is then a state between two steps.
  // INVALID_ARGUMENT: the loss was no longer a finite number, perhaps some steps ago.
  absl::Status Run(StopSignal& stop);
  // The same up to `step` steps done, at most the plan's, without finishing the task.
  absl::Status RunTo(int64_t step, StopSignal& stop);

  // The tensors alias those of the run: write them before the next step.
  TrainingState State() const;
  absl::Status Restore(const TrainingState& state);

  int64_t step() const { return step_; }  // steps done
  const UpdateLimits& limits() const { return limits_; }
  const StepGraphs& graphs() const { return graphs_; }
  const LearningCurves& curves() const { return curves_; }

 private:
  // One dataset and the order in which it is drawn.
  struct Stream {
    data::Loader loader;
    data::Sampler sampler;
    std::string state_prefix;
  };

  absl::Status RunSteps(int64_t step, StopSignal& stop);
  absl::Status RunStep(StopSignal& stop);
  StepDraw Draw();
  // All that a step does on the device.
  absl::StatusOr<StepResult> Call(const StepDraw& draw, StopSignal& stop);
  void Descend(const at::Tensor& loss);
  void LimitGradients();
  // Into the curves, and to the hook where it is time.
  absl::Status TakeMetrics();
  bool ReportIsDue() const;
  bool StateIsDue() const;
  void Report(const std::map<std::string, double>& values);

  Task& task_;
  model::Model& model_;
  const data::Dataset& target_;
  const TrainerOptions options_;
  const TrainerHooks hooks_;
  const UpdateLimits limits_;
  std::vector<Stream> sources_;
  std::unique_ptr<Stream> target_stream_;
  std::unique_ptr<Optimizer> optimizer_;   // null: a task of passes
  std::unique_ptr<LossScale> loss_scale_;  // null: the model is not in fp16
  const runtime::WorkStream stream_;
  StepGraphs graphs_;
  at::Tensor progress_;  // of StepInput: the same tensor at every step
  StepMetrics metrics_;
  std::vector<bool> required_gradients_;  // of the model's parameters, as they came

  int64_t step_ = 0;
  int64_t samples_ = 0;
  bool epoch_begun_ = false;
  LearningCurves curves_;

  std::chrono::steady_clock::time_point last_report_;
  std::chrono::steady_clock::time_point last_state_ = std::chrono::steady_clock::now();
  double state_seconds_ = 0;  // how long the last one took
  int64_t last_reported_step_ = 0;
};

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_TRAINER_H_
