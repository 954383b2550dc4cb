// What the methods share that adapt to unlabelled batches with the statistics of the batch: their
// plan, the target's statistics for the model's life in evaluation mode, and the collapse guard.
#ifndef ACCLIMATE_CORE_METHODS_SOURCE_FREE_TEST_TIME_TASK_H_
#define ACCLIMATE_CORE_METHODS_SOURCE_FREE_TEST_TIME_TASK_H_

#include <string>
#include <vector>

#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/source_free/collapse_guard.h"

namespace acclimate::methods {

class TestTimeTask : public train::Task {
 public:
  const train::Plan& plan() const override { return plan_; }
  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) final;
  absl::Status Finish(train::StopSignal& stop) final;
  absl::Status Preview(const data::Dataset& target_sample, train::StopSignal& stop) override;

  train::TensorMap State() const override;
  absl::Status Restore(const train::TensorMap& state) override;
  void Report(nlohmann::json& report) const override { guard_.Report(report); }
  std::vector<std::string> Warnings() const override { return guard_.Warnings(); }

 protected:
  // Moves `parameters`; an epoch is one pass over the target.
  TestTimeTask(const MethodContext& context, std::vector<train::NamedParameter> parameters);

  // The loss of one batch, and as target_logits what it predicted before the update. Without a
  // loss nothing moves.
  virtual absl::StatusOr<train::StepOutput> Adapt(const train::StepInput& input) = 0;
  // What the method answers for a batch, from the logits of Adapt().
  virtual at::Tensor Answer(const at::Tensor& logits) const { return logits; }
  // Puts the weights to keep into the model, after the last update; called again must change
  // nothing.
  virtual void TakeFinalWeights() {}

  bool halted() const { return guard_.halted(); }
  const std::vector<train::NamedParameter>& moving() const {
    return plan_.groups.front().parameters;
  }

  model::Model& model_;
  const data::Dataset statistics_sample_;  // of the target, for the statistics of the end
  const at::Device device_;
  CollapseGuard guard_;
  train::Plan plan_;
};

// Scale and shift of every layer that normalises, in forward order, without the share `left_out` of
// these layers at the end.
std::vector<train::NamedParameter> NormalizationParameters(const model::Model& model,
                                                           double left_out = 0.0);

// OptimizationSettings() and "epochs", one by default.
std::vector<HyperparameterSpec> TestTimeSettings(const OptimizationDefaults& defaults);

// Adam, 1e-3, batches of 200: TENT's and CoTTA's values for CIFAR-10.
OptimizationDefaults TestTimeDefaults();

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SOURCE_FREE_TEST_TIME_TASK_H_
