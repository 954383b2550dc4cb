// What the methods with labelled source data share: their plan, their hyperparameters, the watch
// over their predictions, the target's statistics at the end.
#ifndef ACCLIMATE_CORE_METHODS_ALIGNMENT_ALIGNMENT_H_
#define ACCLIMATE_CORE_METHODS_ALIGNMENT_ALIGNMENT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/losses/kernel_bandwidth.h"
#include "core/methods/alignment/collapse_watch.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"

namespace acclimate::methods {

// Moves every parameter; an epoch is one pass over the target. A step tells watch_ what it saw; a
// task with state of its own adds it to this State().
//
// sdat = on (Rangwani et al., "A Closer Look at Smoothness in Domain Adversarial Training", ICML
// 2022): what a step passes through Forward() is computed at theta + rho g / ||g||, rho = 0.02, g
// the gradient at theta of the source's cross entropy alone, of its batch by itself and without
// dropout; the losses move theta. The task's loss is made smooth, and no other; all losses are
// taken there, as in the authors' code. It costs one more pass over the source, there and back.
class AlignmentTask : public train::Task {
 public:
  const train::Plan& plan() const override { return plan_; }
  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) final;
  absl::Status Finish(train::StopSignal& stop) override;
  absl::Status Preview(const data::Dataset& target_sample, train::StopSignal& stop) override;
  train::TensorMap State() const override { return watch_.State(); }
  absl::Status Restore(const train::TensorMap& state) override { return watch_.Restore(state); }
  void Report(nlohmann::json& report) const override;
  std::vector<std::string> Warnings() const override { return watch_.Warnings(); }
  int KindOf(int64_t /*step*/) const override { return 0; }

 protected:
  explicit AlignmentTask(const MethodContext& context);

  // The losses of one step.
  virtual absl::StatusOr<train::StepOutput> Align(const train::StepInput& input) = 0;
  // A pass in training; within Align() alone.
  model::ForwardResult Forward(const at::Tensor& inputs);

  model::Model& model_;
  const double trade_off_;
  train::Plan plan_;
  CollapseWatch watch_;

 private:
  const data::Dataset& target_;
  const at::Device device_;
  std::string augment_;  // of the setting `auto`: what was chosen
  const bool target_statistics_;
  const bool sdat_;
  data::Batch source_;                        // of the step
  std::map<std::string, at::Tensor> nearby_;  // of sdat_: weights by name; empty until needed
};

// What is to become small besides the source's loss, as a scalar.
using AlignmentTerm = std::function<at::Tensor(const model::ForwardResult& source,
                                               const model::ForwardResult& target)>;

// Terms that cannot be recorded make the host wait for the device: a decomposition.
enum class Recording { kPossible, kImpossible };

// CE(source) + trade_off * term, each domain forwarded by itself and normalised by its own batch
// statistics, as DAN does. The term is reported as "loss/<name>".
absl::StatusOr<std::unique_ptr<train::Task>> MakeAlignmentTask(
    const MethodContext& context, std::string name, AlignmentTerm term,
    Recording recording = Recording::kPossible);

// Data needs and hyperparameters; the caller adds names and texts.
MethodSpec AlignmentSpec(const OptimizationDefaults& defaults, double trade_off);

// bandwidth: mean or median, of the methods with kernels.
HyperparameterSpec BandwidthSetting();
losses::Bandwidth BandwidthOf(const Settings& settings);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_ALIGNMENT_ALIGNMENT_H_
