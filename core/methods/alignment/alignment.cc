#include "core/methods/alignment/alignment.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/losses/cross_entropy.h"
#include "core/methods/perturbations.h"
#include "core/methods/sharpest_nearby.h"
#include "core/methods/target_statistics.h"

namespace acclimate::methods {
namespace {

constexpr double kSharpnessRadius = 0.02;  // rho of Rangwani et al. (2022)

class TermTask : public AlignmentTask {
 public:
  TermTask(const MethodContext& context, std::string name, AlignmentTerm term, Recording recording)
      : AlignmentTask(context),
        name_(std::move(name)),
        term_(std::move(term)),
        recording_(recording) {}

  int KindOf(int64_t step) const override {
    return recording_ == Recording::kPossible ? AlignmentTask::KindOf(step) : kNoKind;
  }

  absl::StatusOr<train::StepOutput> Align(const train::StepInput& input) override {
    const model::ForwardResult source = Forward(input.source.inputs);
    const model::ForwardResult target = Forward(input.target.inputs);
    const at::Tensor classification = losses::CrossEntropy(source.logits, input.source.labels);
    const at::Tensor term = term_(source, target);
    train::StepOutput output;
    output.loss = classification + trade_off_ * term;
    output.parts = {{"source", classification}, {name_, term}};
    output.target_logits = target.logits.detach();
    watch_.SeePredictions(input.progress, output.target_logits, input.source.labels);
    return output;
  }

 private:
  const std::string name_;
  const AlignmentTerm term_;
  const Recording recording_;
};

// Without what depends on the model, and views.
train::Plan PlanOf(const MethodContext& context) {
  const int64_t batch_size = context.settings.Integer("batch_size");
  train::Plan plan;
  SetOptimization(context.settings, plan);
  plan.total_steps = PlannedSteps(context.settings, context.sources, context.target);
  plan.steps_per_epoch = BatchesPerEpoch(context.target.size(), batch_size);
  plan.source_batch_size = batch_size;
  plan.target_batch_size = batch_size;
  return plan;
}

}  // namespace

AlignmentTask::AlignmentTask(const MethodContext& context)
    : model_(context.model),
      trade_off_(context.settings.Real("trade_off")),
      plan_(PlanOf(context)),
      watch_(context.model.num_classes(), plan_.total_steps, context.device),
      target_(context.target),
      device_(context.device),
      target_statistics_(context.settings.Flag("target_statistics")),
      sdat_(context.settings.Text("sdat") == "on") {
  Augmented augmented = ChooseViews(context);
  augment_ = std::move(augmented.strength);
  plan_.view = std::move(augmented.view);
  ParametersByDepth parameters = SplitByDepth(model_);
  plan_.groups = {
      {std::move(parameters.backbone), context.settings.Real("backbone_learning_rate_multiplier")},
      {std::move(parameters.last_block), 1.0},
      {std::move(parameters.head), 1.0}};
}

absl::StatusOr<train::StepOutput> AlignmentTask::Step(const train::StepInput& input,
                                                      train::StopSignal& /*stop*/) {
  source_ = input.source;
  absl::StatusOr<train::StepOutput> output = Align(input);
  source_ = {};
  nearby_.clear();
  return output;
}

model::ForwardResult AlignmentTask::Forward(const at::Tensor& inputs) {
  if (!sdat_) return model_.Forward(inputs, model::Mode::kTraining);
  if (nearby_.empty()) {
    std::vector<train::NamedParameter> parameters;
    for (const model::Parameter& parameter : model_.parameters()) {
      parameters.push_back({parameter.name, parameter.tensor});
    }
    const at::Tensor logits = model_.Forward(source_.inputs, model::Mode::kBatchStatistics).logits;
    nearby_ =
        SharpestNearby(losses::CrossEntropy(logits, source_.labels), parameters, kSharpnessRadius);
  }
  return model_.ForwardWith(nearby_, inputs, model::Mode::kTraining);
}

void AlignmentTask::Report(nlohmann::json& report) const { report["augment"] = augment_; }

absl::Status AlignmentTask::Finish(train::StopSignal& stop) { return Preview(target_, stop); }

absl::Status AlignmentTask::Preview(const data::Dataset& target_sample, train::StopSignal& stop) {
  if (!target_statistics_) return absl::OkStatus();
  return RecomputeStatistics(model_, target_sample, device_, stop);
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeAlignmentTask(const MethodContext& context,
                                                               std::string name, AlignmentTerm term,
                                                               Recording recording) {
  return std::make_unique<TermTask>(context, std::move(name), std::move(term), recording);
}

MethodSpec AlignmentSpec(const OptimizationDefaults& defaults, double trade_off) {
  MethodSpec spec;
  spec.source = DataNeed::kRequired;
  spec.selects_weights = true;
  spec.hyperparameters = Concatenated(
      OptimizationSettings(defaults),
      {StepsSetting(),
       RealSetting("trade_off", "Weight of the alignment term", trade_off, 0.0, 1e6),
       RealSetting("backbone_learning_rate_multiplier",
                   "Learning rate before the last block, relative to it", 1.0, 0.0, 1000.0),
       FlagSetting("target_statistics",
                   "Take batch-norm statistics from the whole target after training", true),
       AugmentSetting(), MaskTokenSetting(),
       ChoiceSetting("sdat",
                     "on: smooth the source's loss, which steadies the alignment: losses are taken "
                     "where that loss is highest nearby (SDAT); one more pass a step",
                     "off", {"off", "on"})});
  return spec;
}

HyperparameterSpec BandwidthSetting() {
  return ChoiceSetting("bandwidth",
                       "What the widths of the Gaussian kernels are multiples of: mean or median "
                       "of the squared distances in the batch",
                       "mean", {"mean", "median"});
}

losses::Bandwidth BandwidthOf(const Settings& settings) {
  return settings.Text("bandwidth") == "median" ? losses::Bandwidth::kMedian
                                                : losses::Bandwidth::kMean;
}

}  // namespace acclimate::methods
