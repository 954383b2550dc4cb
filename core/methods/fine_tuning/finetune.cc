// Supervised training on labelled target data, from scratch or from a checkpoint: discriminative
// learning rates, a regulariser that keeps the network near its start, a batch-norm policy.
#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/fine_tuning/batch_norm_policy.h"
#include "core/methods/fine_tuning/layer_groups.h"
#include "core/methods/fine_tuning/regularizer.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/perturbations.h"
#include "core/selection/source_record.h"

namespace acclimate::methods {
namespace {

// For what the regulariser has to find out at the start: a few samples from everywhere in a file
// that may be sorted by class. int64 on the CPU.
at::Tensor SpreadSamples(int64_t size) {
  constexpr int64_t kMost = 32;
  const int64_t count = std::min(size, kMost);
  return at::arange(count, at::kLong).mul(size).floor_divide(count);
}

class FinetuneTask : public train::Task {
 public:
  explicit FinetuneTask(const MethodContext& context)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        label_smoothing_(context.settings.Real("label_smoothing")),
        held_out_(context.target, context.settings.Real("validation_share")),
        batch_norm_(context),
        regularizer_(MakeRegularizer(context)) {
    const int64_t batch_size = context.settings.Integer("batch_size");
    SetOptimization(context.settings, plan_);
    plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), batch_size);
    plan_.total_steps = plan_.steps_per_epoch * context.settings.Integer("epochs");
    plan_.target_batch_size = batch_size;
    plan_.target_labels = true;
    plan_.view = ChooseViews(context).view;
    plan_.groups =
        DiscriminativeGroups(GroupLayers(model_, context.settings.Integer("layer_groups")),
                             context.settings.Real("layer_decay"),
                             context.settings.Real("head_learning_rate_multiplier"));
    if (regularizer_ != nullptr && regularizer_->replaces_weight_decay()) {
      plan_.optimizer.weight_decay = 0;
    }
  }

  const train::Plan& plan() const override { return plan_; }

  absl::Status BeginEpoch(int64_t epoch, train::StopSignal& stop) override {
    if (epoch > 0) return absl::OkStatus();
    if (absl::Status status = batch_norm_.Begin(stop); !status.ok()) return status;
    if (regularizer_ == nullptr) return absl::OkStatus();
    const at::Tensor index = SpreadSamples(target_.size());
    return regularizer_->Measure(held_out_.Trained(target_.Gather(index, device_), index), stop);
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const data::Batch batch = held_out_.Trained(input.target, input.target_index);
    train::StepOutput output;
    if (regularizer_ == nullptr) {
      const at::Tensor logits = model_.Forward(batch.inputs, batch_norm_.mode()).logits;
      output.loss = losses::CrossEntropy(logits, batch.labels, label_smoothing_);
      return output;
    }
    const model::LevelsResult result =
        model_.ForwardThrough(regularizer_->levels(), batch.inputs, batch_norm_.mode());
    const at::Tensor cross_entropy =
        losses::CrossEntropy(result.output.logits, batch.labels, label_smoothing_);
    const at::Tensor penalty = regularizer_->Penalty(batch.inputs, result, batch_norm_.mode());
    output.loss = cross_entropy + penalty;
    output.parts = {{"cross_entropy", cross_entropy}, {regularizer_->name(), penalty}};
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    if (absl::Status status = batch_norm_.End(stop); !status.ok()) return status;
    return held_out_.Record(model_, device_, stop);
  }

  train::TensorMap State() const override {
    train::TensorMap state = batch_norm_.State();
    if (regularizer_ != nullptr) state.merge(regularizer_->State());
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    absl::Status status = batch_norm_.Restore(state);
    if (regularizer_ != nullptr) status.Update(regularizer_->Restore(state));
    return status;
  }

  void Report(nlohmann::json& report) const override {
    if (!model_.batch_norm_layers().empty()) report["batch_norm"] = batch_norm_.Report();
    if (const absl::optional<selection::SourceRecord> record = Recorded()) {
      report["finetune"] = {{"validation_samples", record->samples}};
    }
  }

  std::map<std::string, double> Metrics() const override {
    const absl::optional<selection::SourceRecord> record = Recorded();
    if (!record) return {};
    return {{"validation_accuracy", record->accuracy}};
  }

  std::vector<std::string> Warnings() const override { return batch_norm_.Warnings(); }

 private:
  // By Finish(); nothing where too few samples are held out.
  absl::optional<selection::SourceRecord> Recorded() const {
    return selection::ReadRecord(model_.metadata());
  }

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const double label_smoothing_;
  const selection::HeldOut held_out_;
  BatchNormPolicy batch_norm_;
  const std::unique_ptr<Regularizer> regularizer_;  // null: no regulariser
  train::Plan plan_;
};

absl::StatusOr<std::unique_ptr<train::Task>> MakeFinetune(const MethodContext& context) {
  absl::Status status = CheckBatchNormPolicy(context);
  status.Update(CheckRegularizer(context));
  if (!status.ok()) return status;
  return std::make_unique<FinetuneTask>(context);
}

}  // namespace

MethodEntry Finetune() {
  MethodSpec spec;
  spec.name = "finetune";
  spec.title = "Supervised training";
  spec.summary =
      "Trains on labelled target data: a built-in architecture from scratch, or a checkpoint "
      "further. Makes source models for the other methods.";
  spec.reference =
      "Label smoothing: Szegedy et al., CVPR (2016); layer groups: Howard & Ruder, ACL (2018); "
      "L2-SP: Li et al., ICML (2018); DELTA: Li et al., ICLR (2019); BSS: Chen et al., NeurIPS "
      "(2019)";
  spec.formula =
      "mean_i CE(logits_i, (1 - s) onehot(y_i) + s / C) + regularizer, s = label_smoothing; l2_sp: "
      "l2_weight / 2 ||w - w0||^2; delta: sum_j W_j ||FM_j(w) - FM_j(w0)||^2; bss: sum of the k "
      "smallest sigma(F)^2";
  spec.checkpoint = DataNeed::kOptional;
  spec.target_labels = DataNeed::kRequired;
  spec.hyperparameters = Concatenated(
      Concatenated(
          OptimizationSettings({}),
          {IntegerSetting("epochs", "Passes over the target data", 5, 1, 100000),
           RealSetting("label_smoothing", "Probability spread evenly over all classes", 0.1, 0.0,
                       0.99),
           ChoiceSetting("head",
                         "The classifier layer of a checkpoint: keep it; new, for the classes of "
                         "the data; auto makes a new one where these have other names, are more, "
                         "or at most half as many",
                         "auto", {"auto", "keep", "new"}),
           RealSetting("head_learning_rate_multiplier",
                       "Learning rate of the classifier layer, relative to the one given", 1.0, 0.0,
                       1000.0),
           RealSetting("layer_decay",
                       "Learning rate of a group of layers, relative to the group above it; the "
                       "uppermost one has it relative to the one given. 0.1 keeps the base of a "
                       "pretrained network close to what it was",
                       1.0, 0.0, 1.0),
           IntegerSetting("layer_groups", "Groups of layers below the classifier", 3, 1, 1000),
           RealSetting("validation_share",
                       "Share of the data kept from training, from which accuracy and calibration "
                       "are measured and recorded with the model; none where it is under 50 "
                       "samples",
                       0.05, 0.0, 0.5),
           AugmentSetting(), MaskTokenSetting()}),
      Concatenated(RegularizerSettings(), BatchNormSettings()));
  return {spec, &MakeFinetune};
}

}  // namespace acclimate::methods
