// Steps recorded on an accelerator and replayed: one launch instead of hundreds (CUDA graphs).
#ifndef ACCLIMATE_CORE_TRAIN_STEP_GRAPHS_H_
#define ACCLIMATE_CORE_TRAIN_STEP_GRAPHS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/train/step_metrics.h"
#include "core/train/task.h"

namespace acclimate::train {

// What is drawn for a step.
struct StepDraw {
  StepInput input;
  at::Tensor unseen_labels;  // int64 [B] of the target where it has some: only ever reported
};

struct StepResult {
  MetricRow metrics;
  std::map<std::string, double> known;  // metrics that need no device
  int64_t samples = 0;                  // as in StepOutput
  bool updated = false;                 // the optimiser made an update
};

// A recording is of one kind of step (Task::KindOf()) and of inputs of certain shapes. It is made
// after a few steps that were only called, which choose algorithms and allocate state, and works in
// memory of its own: inputs are copied into it, metrics out of it. Weights, the optimiser's state
// and the random generator's are those of the run. Not thread-safe.
class StepGraphs {
 public:
  using Call = std::function<absl::StatusOr<StepResult>(const StepDraw&)>;

  explicit StepGraphs(const at::Device& device);
  ~StepGraphs();

  // `call` makes the step: it is called, recorded, or replaced by a replay. Where it cannot be
  // recorded it is called from then on.
  absl::StatusOr<StepResult> Run(int kind, const StepDraw& draw, const Call& call);

  int64_t replays() const { return replays_; }
  // Why a step could not be recorded, in words; empty: none was refused.
  const std::string& refusal() const { return refusal_; }

 private:
  struct Recording;

  absl::Status Record(const StepDraw& draw, const Call& call, Recording& recording);

  const bool possible_;
  std::map<std::string, std::unique_ptr<Recording>> recordings_;
  int64_t replays_ = 0;
  std::string refusal_;
};

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_STEP_GRAPHS_H_
