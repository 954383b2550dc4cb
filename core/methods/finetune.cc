// Supervised training on labelled target data, from scratch or from a checkpoint.
#include <memory>
#include <utility>

#include "core/losses/cross_entropy.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/selection/source_record.h"

namespace acclimate::methods {
namespace {

class FinetuneTask : public train::Task {
 public:
  explicit FinetuneTask(const MethodContext& context)
      : model_(context.model),
        device_(context.device),
        label_smoothing_(context.settings.Real("label_smoothing")),
        held_out_(context.target, context.settings.Real("validation_share")) {
    const int64_t batch_size = context.settings.Integer("batch_size");
    SetOptimization(context.settings, plan_);
    plan_.steps_per_epoch = BatchesPerEpoch(context.target.size(), batch_size);
    plan_.total_steps = plan_.steps_per_epoch * context.settings.Integer("epochs");
    plan_.target_batch_size = batch_size;
    plan_.target_labels = true;
    ParametersByDepth parameters = SplitByDepth(model_);
    plan_.groups = {
        {std::move(parameters.backbone), 1.0},
        {std::move(parameters.last_block), 1.0},
        {std::move(parameters.head), context.settings.Real("head_learning_rate_multiplier")}};
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const data::Batch batch = held_out_.Trained(input.target, input.target_index);
    const at::Tensor logits = model_.Forward(batch.inputs, model::Mode::kTraining).logits;
    train::StepOutput output;
    output.loss = losses::CrossEntropy(logits, batch.labels, label_smoothing_);
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    return held_out_.Record(model_, device_, stop);
  }

 private:
  model::Model& model_;
  const at::Device device_;
  const double label_smoothing_;
  const selection::HeldOut held_out_;
  train::Plan plan_;
};

}  // namespace

MethodEntry Finetune() {
  MethodSpec spec;
  spec.name = "finetune";
  spec.title = "Supervised training";
  spec.summary =
      "Trains on labelled target data: a built-in architecture from scratch, or a checkpoint "
      "further. Makes source models for the other methods.";
  spec.reference = "Label smoothing: Szegedy et al., CVPR (2016)";
  spec.formula = "mean_i CE(logits_i, (1 - s) onehot(y_i) + s / C), s = label_smoothing";
  spec.checkpoint = DataNeed::kOptional;
  spec.target_labels = DataNeed::kRequired;
  spec.hyperparameters = Concatenated(
      OptimizationSettings({}),
      {IntegerSetting("epochs", "Passes over the target data", 5, 1, 100000),
       RealSetting("label_smoothing", "Probability spread evenly over all classes", 0.1, 0.0, 0.99),
       RealSetting("head_learning_rate_multiplier",
                   "Learning rate of the classifier layer, relative to the others", 1.0, 0.0,
                   1000.0),
       RealSetting("validation_share",
                   "Share of the data kept from training, from which accuracy and calibration are "
                   "measured and recorded with the model; none where it is under 50 samples",
                   0.05, 0.0, 0.5)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<FinetuneTask>(context);
          }};
}

}  // namespace acclimate::methods
