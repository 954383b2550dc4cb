// What the loop drives: a method over its model and data, cut into steps.
#ifndef ACCLIMATE_CORE_TRAIN_TASK_H_
#define ACCLIMATE_CORE_TRAIN_TASK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/train/optimizer.h"
#include "core/train/schedule.h"
#include "core/train/stop_signal.h"
#include "core/train/training_state.h"

namespace acclimate::train {

// Inputs [B, ...] -> the same shape. Draws from the default generator of their device.
using View = std::function<at::Tensor(const at::Tensor&)>;

struct Plan {
  int64_t total_steps = 0;
  int64_t steps_per_epoch = 1;
  int64_t source_batch_size = 0;  // 0: no source batches are drawn
  int64_t target_batch_size = 0;  // 0: no target batches are drawn
  bool target_labels = false;  // false: target batches come without labels, whatever the file has
  View view;  // laid over the inputs of every batch that is drawn; empty: they come as they are
  // The parameters that move; every other parameter of the model is frozen. Empty: a task of
  // passes, without an optimiser.
  std::vector<ParameterGroup> groups;
  OptimizerOptions optimizer;
  Schedule schedule = Schedule::kConstant;
};

struct StepInput {
  int64_t step = 0;     // from 0
  at::Tensor progress;  // double scalar on the device: step / total_steps, in [0, 1)
  data::Batch source;   // drawn evenly from all sources, one after the other; labelled
  std::vector<int64_t> source_counts;  // samples of each source in it
  data::Batch target;
  at::Tensor target_index;  // int64 [B] on the CPU: the samples in `target`
};

struct StepOutput {
  at::Tensor loss;                             // scalar to descend; undefined: nothing to update
  std::map<std::string, at::Tensor> parts;     // scalars, reported as "loss/<name>"
  std::map<std::string, at::Tensor> measures;  // scalars, reported as they are: "lambda"
  std::map<std::string, double> values;        // the same of what is known without the device
  at::Tensor target_logits;        // [B, C] as predicted before the update, when a by-product
  int64_t samples = 0;             // seen by a pass; batches drawn by the loop are counted by it
  bool restart_optimizer = false;  // the task put weights back: what the optimiser gathered is void
};

// Rules:
// 1. Everything a task changes while it runs is in the model, in a parameter of its groups or in
//    State(): that is what makes a run resumable between any two steps.
// 2. BeforeStep(), BeginEpoch() and Finish() may be stopped half way (CANCELLED) and are then
// called
//    again, perhaps in another process: repeating them must give the same result.
// 3. Random numbers come from the default generator of the device only.
// 4. Step() leaves what it computed on the device: a value that is read there makes the host wait
//    for everything before it (docs/architecture.md, "The GPU").
class Task {
 public:
  virtual ~Task() = default;

  // Constant from the first call on.
  virtual const Plan& plan() const = 0;
  // Between two steps, before the BeginEpoch() of the step that follows; perhaps more than once.
  virtual absl::Status BeforeStep(int64_t /*step*/, StopSignal& /*stop*/) {
    return absl::OkStatus();
  }
  virtual absl::Status BeginEpoch(int64_t /*epoch*/, StopSignal& /*stop*/) {
    return absl::OkStatus();
  }
  // One forward pass with its losses, or one pass over data of the task's own choice. Only a task
  // that draws no batches may be stopped within a step (CANCELLED); the step is then repeated.
  virtual absl::StatusOr<StepOutput> Step(const StepInput& input, StopSignal& stop) = 0;
  // Steps of one kind, from 0 on, do the same work on the device for inputs of the same shapes:
  // what changes from step to step they read from their input's tensors, and they report no
  // `values`. The loop may record such a step once and replay it without calling Step(). kNoKind:
  // always called.
  static constexpr int kNoKind = -1;
  virtual int KindOf(int64_t /*step*/) const { return kNoKind; }
  // After every step, called or replayed.
  virtual void AfterStep(int64_t /*steps_done*/) {}
  // After the last step.
  virtual absl::Status Finish(StopSignal& /*stop*/) { return absl::OkStatus(); }
  // What Finish() would do, from a sample of the target where that is enough: to look at the model
  // of a run that then goes on from the weights before.
  virtual absl::Status Preview(const data::Dataset& /*target_sample*/, StopSignal& stop) {
    return Finish(stop);
  }

  // The model that it trains where that is one of its own, which State() then holds whole; null:
  // the run's.
  virtual model::Model* own_model() { return nullptr; }

  virtual TensorMap State() const { return {}; }
  virtual absl::Status Restore(const TensorMap& /*state*/) { return absl::OkStatus(); }

  // After Finish(), of a task that ran to its end:

  // What an evaluation counted, [C, C] as in pass.h; undefined for every other task.
  virtual at::Tensor confusion_matrix() const { return {}; }
  // Of a method that corrects predictions, not weights: probabilities [N, C] for the target's
  // samples. The job counts them where the target's file has labels, for the report.
  virtual at::Tensor target_probabilities() const { return {}; }
  // Adds what the method found out to report.json, under keys of its own.
  virtual void Report(nlohmann::json& /*report*/) const {}
  // What went wrong without stopping the run: a discriminator that gave up, a loss that collapsed.
  virtual std::vector<std::string> Warnings() const { return {}; }
  // Numbers for the job's result, beside the last values of its metrics.
  virtual std::map<std::string, double> Metrics() const { return {}; }
  // Saved beside the model as safetensors: "memory.safetensors" -> tensors.
  virtual std::map<std::string, TensorMap> Files() const { return {}; }
  // The model to save where another one than the run's came out; null otherwise.
  virtual std::unique_ptr<model::Model> TakeModel() { return nullptr; }
};

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_TASK_H_
