// SHOT: source-free adaptation with a frozen classifier.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/losses/cross_entropy.h"
#include "core/losses/information_maximization.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/perturbations.h"
#include "core/methods/source_free/pseudo_labels.h"
#include "core/methods/target_statistics.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr char kPseudoLabels[] = "pseudo_labels";

class ShotTask : public train::Task {
 public:
  explicit ShotTask(const MethodContext& context)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        beta_(context.settings.Real("beta")),
        target_statistics_(context.settings.Flag("target_statistics")) {
    const int64_t batch_size = context.settings.Integer("batch_size");
    SetOptimization(context.settings, plan_);
    plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), batch_size);
    plan_.total_steps = plan_.steps_per_epoch * context.settings.Integer("epochs");
    plan_.target_batch_size = batch_size;
    plan_.view = ChooseViews(context).view;
    ParametersByDepth parameters = SplitByDepth(model_);
    plan_.groups = {{std::move(parameters.backbone),
                     context.settings.Real("backbone_learning_rate_multiplier")},
                    {std::move(parameters.last_block), 1.0}};
    pseudo_labels_ = at::zeros({target_.size()}, at::kLong);
  }

  const train::Plan& plan() const override { return plan_; }

  absl::Status BeginEpoch(int64_t epoch, train::StopSignal& stop) override {
    if (epoch == 0 && target_statistics_) {
      absl::Status status = RecomputeStatistics(model_, target_, device_, stop);
      if (!status.ok()) return status;
    }
    return RefreshPseudoLabels(stop);
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const at::Tensor logits = model_.Forward(input.target.inputs, model::Mode::kTraining).logits;
    const at::Tensor labels =
        pseudo_labels_.index_select(0, input.target_index).to(logits.device());
    const at::Tensor information = losses::InformationMaximization(logits);
    const at::Tensor cross_entropy = losses::CrossEntropy(logits, labels);
    train::StepOutput output;
    output.loss = information + beta_ * cross_entropy;
    output.parts = {{"information_maximization", information}, {"pseudo_label", cross_entropy}};
    output.target_logits = logits.detach();
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override { return Preview(target_, stop); }
  absl::Status Preview(const data::Dataset& target_sample, train::StopSignal& stop) override {
    if (!target_statistics_) return absl::OkStatus();
    return RecomputeStatistics(model_, target_sample, device_, stop);
  }

  train::TensorMap State() const override { return {{kPseudoLabels, pseudo_labels_}}; }

  absl::Status Restore(const train::TensorMap& state) override {
    const auto it = state.find(kPseudoLabels);
    if (it == state.end() || it->second.sizes() != pseudo_labels_.sizes()) {
      return absl::InvalidArgumentError("training state: no fitting pseudo-labels");
    }
    pseudo_labels_ = it->second.to(at::kLong).clone();
    return absl::OkStatus();
  }

 private:
  absl::Status RefreshPseudoLabels(train::StopSignal& stop) {
    std::vector<at::Tensor> features, probabilities;
    const absl::Status status =
        train::ForEachBatch(target_, device_, stop, [&](int64_t, const data::Batch& batch) {
          const model::ForwardResult result =
              model_.Forward(batch.inputs, model::Mode::kEvaluation);
          features.push_back(result.features);
          probabilities.push_back(result.logits.softmax(1));
        });
    if (!status.ok()) return status;
    const at::NoGradGuard no_grad;
    pseudo_labels_ = PseudoLabels(at::cat(features), at::cat(probabilities)).to(at::kCPU);
    return absl::OkStatus();
  }

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const double beta_;
  const bool target_statistics_;
  at::Tensor pseudo_labels_;  // int64 [N] on the CPU, of the current epoch
  train::Plan plan_;
};

}  // namespace

MethodEntry Shot() {
  MethodSpec spec;
  spec.name = "shot";
  spec.title = "Source hypothesis transfer (SHOT)";
  spec.summary =
      "Freezes the classifier and moves the features until the target's predictions are sure and "
      "diverse and agree with pseudo-labels from class centroids. Source-free, often the "
      "strongest; the source model should be trained with label smoothing.";
  spec.reference = "Liang et al., Do We Really Need to Access the Source Data?, ICML (2020)";
  spec.formula = "mean_i H(p_i) - H(mean_i p_i) + beta CE(p_i, yhat_i)";
  spec.selects_weights = true;
  spec.hyperparameters = Concatenated(
      OptimizationSettings({}),
      {IntegerSetting("epochs", "Passes over the target data", 15, 1, 100000),
       RealSetting("beta",
                   "Weight of the pseudo-label term; the paper has 0.1 for digits, 0.3 for objects",
                   0.1, 0.0, 100.0),
       RealSetting(
           "backbone_learning_rate_multiplier",
           "Learning rate before the last block, relative to it; 0.1 for a large pretrained one",
           1.0, 0.0, 1000.0),
       FlagSetting("target_statistics",
                   "Take batch-norm statistics from the whole target before and after training",
                   true),
       AugmentSetting(), MaskTokenSetting()});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<ShotTask>(context);
          }};
}

}  // namespace acclimate::methods
