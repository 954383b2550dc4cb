#include "core/methods/alignment.h"

#include <torch/torch.h>

#include <utility>

#include "core/losses/cross_entropy.h"
#include "core/methods/target_statistics.h"

namespace acclimate::methods {
namespace {

class DiscrepancyTask : public AlignmentTask {
 public:
  DiscrepancyTask(const MethodContext& context, Discrepancy discrepancy)
      : AlignmentTask(context), discrepancy_(discrepancy) {}

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const model::ForwardResult source = model_.Forward(input.source.inputs, model::Mode::kTraining);
    const model::ForwardResult target = model_.Forward(input.target.inputs, model::Mode::kTraining);
    const at::Tensor classification = losses::CrossEntropy(source.logits, input.source.labels);
    const at::Tensor discrepancy = discrepancy_(source.features, target.features);
    train::StepOutput output;
    output.loss = classification + trade_off_ * discrepancy;
    output.parts = {{"source", classification}, {"discrepancy", discrepancy}};
    output.target_logits = target.logits.detach();
    return output;
  }

 private:
  const Discrepancy discrepancy_;
};

}  // namespace

AlignmentTask::AlignmentTask(const MethodContext& context)
    : model_(context.model),
      trade_off_(context.settings.Real("trade_off")),
      target_(context.target),
      device_(context.device),
      target_statistics_(context.settings.Flag("target_statistics")) {
  const int64_t batch_size = context.settings.Integer("batch_size");
  SetOptimization(context.settings, plan_);
  plan_.total_steps = context.settings.Integer("steps");
  plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), batch_size);
  plan_.source_batch_size = batch_size;
  plan_.target_batch_size = batch_size;
  ParametersByDepth parameters = SplitByDepth(model_);
  plan_.groups = {
      {std::move(parameters.backbone), context.settings.Real("backbone_learning_rate_multiplier")},
      {std::move(parameters.last_block), 1.0},
      {std::move(parameters.head), 1.0}};
}

absl::Status AlignmentTask::Finish(train::StopSignal& stop) {
  if (!target_statistics_) return absl::OkStatus();
  return RecomputeStatistics(model_, target_, device_, stop);
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeDiscrepancyTask(const MethodContext& context,
                                                                 Discrepancy discrepancy) {
  return std::make_unique<DiscrepancyTask>(context, discrepancy);
}

MethodSpec AlignmentSpec(const OptimizationDefaults& defaults, double trade_off) {
  MethodSpec spec;
  spec.source = DataNeed::kRequired;
  spec.hyperparameters = Concatenated(
      OptimizationSettings(defaults),
      {IntegerSetting("steps", "Training steps", 2000, 1, 100000000),
       RealSetting("trade_off", "Weight of the alignment term", trade_off, 0.0, 1e6),
       RealSetting("backbone_learning_rate_multiplier",
                   "Learning rate before the last block, relative to it", 1.0, 0.0, 1000.0),
       FlagSetting("target_statistics",
                   "Take batch-norm statistics from the whole target after training", true)});
  return spec;
}

}  // namespace acclimate::methods
