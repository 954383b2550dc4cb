// TENT: entropy minimisation through the scale and shift of batch norm.
#include <memory>

#include "core/losses/entropy.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/target_statistics.h"

namespace acclimate::methods {
namespace {

class TentTask : public train::Task {
 public:
  explicit TentTask(const MethodContext& context)
      : model_(context.model), target_(context.target), device_(context.device) {
    const int64_t batch_size = context.settings.Integer("batch_size");
    SetOptimization(context.settings, plan_);
    plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), batch_size);
    plan_.total_steps = plan_.steps_per_epoch * context.settings.Integer("epochs");
    plan_.target_batch_size = batch_size;
    train::ParameterGroup group;
    for (const model::Parameter& parameter : model_.parameters()) {
      if (parameter.batch_norm) group.parameters.push_back({parameter.name, parameter.tensor});
    }
    plan_.groups.push_back(group);
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const at::Tensor logits =
        model_.Forward(input.target.inputs, model::Mode::kBatchStatistics).logits;
    train::StepOutput output;
    output.loss = losses::MeanEntropy(logits);
    output.target_logits = logits.detach();
    return output;
  }

  // The statistics that every step took from its batch, for the model's life in evaluation mode.
  absl::Status Finish(train::StopSignal& stop) override {
    return RecomputeStatistics(model_, target_, device_, stop);
  }

 private:
  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  train::Plan plan_;
};

}  // namespace

MethodEntry Tent() {
  MethodSpec spec;
  spec.name = "tent";
  spec.title = "Test-time entropy minimisation (TENT)";
  spec.summary =
      "Moves only the scale and shift of batch norm, to make the model sure of itself on the "
      "target, one step a batch; then stores the target's statistics. Source-free and quick.";
  spec.reference = "Wang et al., Tent, ICLR (2021)";
  spec.formula = "mean_i H(softmax(logits_i)) with the statistics of the batch";
  spec.needs_batch_norm = true;
  OptimizationDefaults defaults;
  defaults.optimizer = "adam";
  defaults.learning_rate = 1e-3;
  defaults.weight_decay = 0.0;
  defaults.schedule = "constant";
  defaults.batch_size = 200;
  spec.hyperparameters =
      Concatenated(OptimizationSettings(defaults),
                   {IntegerSetting("epochs", "Passes over the target data", 1, 1, 100000)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<TentTask>(context);
          }};
}

}  // namespace acclimate::methods
