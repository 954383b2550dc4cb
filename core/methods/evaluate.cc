// Evaluation: counts a model's predictions on labelled data; changes nothing.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>

#include "core/methods/method.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr char kConfusionMatrix[] = "confusion_matrix";

// One step a batch, in the order of the data.
class EvaluateTask : public train::Task {
 public:
  explicit EvaluateTask(const MethodContext& context)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        batch_size_(train::PassBatchSize(context.target.sample_shape())),
        counts_(at::zeros({model_.num_classes(), model_.num_classes()}, at::kLong)) {
    plan_.total_steps = (target_.size() + batch_size_ - 1) / batch_size_;
    plan_.steps_per_epoch = plan_.total_steps;
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const at::NoGradGuard no_grad;
    const int64_t begin = input.step * batch_size_;
    const int64_t end = std::min(begin + batch_size_, target_.size());
    const data::Batch batch = target_.Slice(begin, end, device_);
    train::CountPredictions(model_.Forward(batch.inputs, model::Mode::kEvaluation).logits,
                            batch.labels, counts_);
    train::StepOutput output;
    output.samples = end - begin;
    output.values["accuracy"] = train::Accuracy(counts_);
    return output;
  }

  train::TensorMap State() const override { return {{kConfusionMatrix, counts_}}; }

  absl::Status Restore(const train::TensorMap& state) override {
    const auto it = state.find(kConfusionMatrix);
    if (it == state.end() || it->second.sizes() != counts_.sizes()) {
      return absl::InvalidArgumentError("training state: no fitting confusion matrix");
    }
    counts_.copy_(it->second);
    return absl::OkStatus();
  }

  at::Tensor confusion_matrix() const override { return counts_; }

 private:
  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const int64_t batch_size_;
  at::Tensor counts_;  // [C, C]
  train::Plan plan_;
};

}  // namespace

MethodEntry Evaluate() {
  MethodSpec spec;
  spec.name = "evaluate";
  spec.title = "Evaluation";
  spec.summary = "Accuracy, accuracy by class and confusion matrix of a model on labelled data.";
  spec.formula = "accuracy = sum_c confusion[c][c] / N";
  spec.target_labels = DataNeed::kRequired;
  spec.trains = false;
  spec.full_precision = true;
  spec.needs_features = false;
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<EvaluateTask>(context);
          }};
}

}  // namespace acclimate::methods
