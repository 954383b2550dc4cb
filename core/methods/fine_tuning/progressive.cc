// Progressive transfer: the classifier first, then groups of layers from the top down, each stage
// kept only where it does not hurt.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/optional.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/fine_tuning/layer_groups.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/selection.h"
#include "core/methods/target_statistics.h"
#include "core/selection/candidate.h"
#include "core/selection/choice.h"
#include "core/selection/examiner.h"
#include "core/selection/source_record.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr char kJudged[] = "judged";
constexpr char kScores[] = "scores";
constexpr char kBest[] = "best/";
constexpr int64_t kBytesInMegabyte = int64_t{1} << 20;

// How a stage's weights are held against the best before them; higher is better.
struct Comparison {
  double before = 0, after = 0;

  bool keeps() const { return after >= before; }
};

// Rules:
// 1. Stage s trains the head and the upper s groups of layers. What is below runs in evaluation
// mode
//    and is bit-equal to what it was when the stage began.
// 2. judged_ counts the models that were judged: the one that came, then one a stage. It is as many
//    as stages have begun before every step, and all of them after Finish().
// 3. best_ is the model that the next stage begins from and, at the end, the one returned.
// 4. The cache follows from the model and the data: it is no part of the state.
class ProgressiveTask : public train::Task {
 public:
  explicit ProgressiveTask(const MethodContext& context)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        target_statistics_(context.settings.Flag("target_statistics") &&
                           !model_.batch_norm_layers().empty()),
        label_smoothing_(context.settings.Real("label_smoothing")),
        most_cache_bytes_(context.settings.Integer("cache_megabytes") * kBytesInMegabyte),
        layers_(GroupLayers(model_, context.settings.Integer("stages") - 1)),
        stages_(static_cast<int64_t>(layers_.body.size()) + 1),
        held_out_(target_, context.settings.Real("validation_share"), kLeastTargetSamples),
        validation_(held_out_.Samples()),
        best_(model_.Clone()),
        scores_(at::zeros({stages_, 2}, at::kDouble)) {
    if (!validation_ && target_.size() >= kLeastTargetSamples) {
      examiner_ = std::make_unique<selection::Examiner>(target_, std::vector<data::Dataset>(),
                                                        device_, context.seed);
    }
    const int64_t batch_size = context.settings.Integer("batch_size");
    SetOptimization(context.settings, plan_);
    plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), batch_size);
    steps_per_stage_ = plan_.steps_per_epoch * context.settings.Integer("epochs");
    plan_.total_steps = steps_per_stage_ * stages_;
    plan_.target_batch_size = batch_size;
    plan_.target_labels = true;
    plan_.groups = DiscriminativeGroups(layers_, context.settings.Real("layer_decay"),
                                        /*head_multiplier=*/1.0);
  }

  const train::Plan& plan() const override { return plan_; }
  bool has_head() const { return !layers_.head.empty(); }

  absl::Status BeforeStep(int64_t step, train::StopSignal& stop) override {
    const int64_t stage = step / steps_per_stage_;
    if (absl::Status status = JudgeUpTo(stage + 1, stop); !status.ok()) return status;
    if (stage == prepared_stage_) return absl::OkStatus();
    if (absl::Status status = FillCache(stage, stop); !status.ok()) return status;
    SetMoving(stage);
    prepared_stage_ = stage;
    return absl::OkStatus();
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const int64_t stage = input.step / steps_per_stage_;
    const data::Batch batch =
        held_out_.Trained({BehindFrozen(stage, input), input.target.labels}, input.target_index);
    const at::Tensor logits =
        HasFrozen(stage) ? model_.ForwardFrom(FrozenLevel(stage), batch.inputs, mode()).logits
                         : model_.Forward(batch.inputs, mode()).logits;
    train::StepOutput output;
    output.loss = losses::CrossEntropy(logits, batch.labels, label_smoothing_);
    output.values["stage"] = static_cast<double>(stage + 1);
    // Momentum of the stage before is of other weights, where that stage was rolled back.
    output.restart_optimizer = input.step % steps_per_stage_ == 0;
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    if (absl::Status status = JudgeUpTo(stages_ + 1, stop); !status.ok()) return status;
    selection::EraseRecord(model_.metadata());
    return absl::OkStatus();
  }

  train::TensorMap State() const override {
    train::TensorMap state = {{kJudged, at::scalar_tensor(judged_, at::kLong)}, {kScores, scores_}};
    for (const auto& [name, tensor] : best_->StateDict()) {
      state[absl::StrCat(kBest, name)] = tensor.detach();
    }
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    for (const auto& [name, tensor] : State()) {
      const auto it = state.find(name);
      if (it == state.end() || it->second.sizes() != tensor.sizes()) {
        return absl::InvalidArgumentError(absl::StrCat("training state: no fitting ", name));
      }
    }
    const absl::StatusOr<int64_t> judged = train::IntegerIn(state, kJudged);
    if (!judged.ok()) return judged.status();
    judged_ = *judged;
    scores_ = state.at(kScores).to(at::kDouble).clone();
    prepared_stage_ = kNoStage;
    return best_->LoadStateDict(train::TrainingState{state, {}}.Part(kBest));
  }

  void Report(nlohmann::json& report) const override {
    nlohmann::json stages = nlohmann::json::array();
    for (int64_t stage = 0; stage < stages_; ++stage) {
      const Comparison comparison = ComparisonOf(stage);
      nlohmann::json one = {{"trained_parameters", TrainedParameters(stage)},
                            {"kept", comparison.keeps()}};
      if (HasFrozen(stage)) one["frozen_up_to"] = model_.levels()[FrozenLevel(stage)].name;
      if (Validates()) {
        one["score_before"] = comparison.before;
        one["score_after"] = comparison.after;
      }
      stages.push_back(std::move(one));
    }
    report["progressive"] = {{"validation", ValidationName()},
                             {"validation_samples", validation_ ? validation_->size() : 0},
                             {"stages", std::move(stages)}};
  }

  std::vector<std::string> Warnings() const override {
    std::vector<std::string> warnings;
    if (!validation_) {
      warnings.push_back(absl::StrCat(
          "progressive: fewer than ", kLeastTargetSamples,
          " labelled samples could be kept for validation: stages are ",
          examiner_ != nullptr ? "judged without labels" : "kept without being judged"));
    }
    for (int64_t stage = 0; stage < stages_; ++stage) {
      const Comparison comparison = ComparisonOf(stage);
      if (comparison.keeps()) continue;
      warnings.push_back(absl::StrFormat(
          "progressive: stage %d hurt and was rolled back: %s %.3f before it, %.3f after",
          stage + 1, validation_ ? "validation accuracy" : "label-free score", comparison.before,
          comparison.after));
    }
    return warnings;
  }

  std::map<std::string, double> Metrics() const override {
    std::map<std::string, double> metrics;
    double kept = 0;
    for (int64_t stage = 0; stage < stages_; ++stage) kept += ComparisonOf(stage).keeps() ? 1 : 0;
    metrics["stages_kept"] = kept;
    if (validation_) {
      const Comparison last = ComparisonOf(stages_ - 1);
      metrics["validation_accuracy"] = std::max(last.before, last.after);
    }
    return metrics;
  }

 private:
  static constexpr int64_t kNoStage = -1;

  bool HasFrozen(int64_t stage) const { return stage + 1 < stages_; }
  // The last level that the stage does not train.
  size_t FrozenLevel(int64_t stage) const {
    return layers_.body[static_cast<size_t>(stages_ - 2 - stage)].level;
  }
  // Of what is trained. With the source's statistics: those stored, and no dropout.
  model::Mode mode() const {
    return target_statistics_ ? model::Mode::kTraining : model::Mode::kEvaluation;
  }
  bool Validates() const { return validation_.has_value() || examiner_ != nullptr; }
  std::string ValidationName() const {
    if (validation_) return "labels";
    return examiner_ != nullptr ? "label_free" : "none";
  }
  Comparison ComparisonOf(int64_t stage) const {
    return {scores_[stage][0].item<double>(), scores_[stage][1].item<double>()};
  }
  int64_t FrozenGroups(int64_t stage) const { return stages_ - 1 - stage; }

  int64_t TrainedParameters(int64_t stage) const {
    int64_t count = 0;
    for (size_t i = static_cast<size_t>(FrozenGroups(stage)); i < plan_.groups.size(); ++i) {
      for (const train::NamedParameter& parameter : plan_.groups[i].parameters) {
        count += parameter.tensor.numel();
      }
    }
    return count;
  }

  // Weights that a frozen layer shares with one that moves are frozen too.
  void SetMoving(int64_t stage) const {
    for (size_t i = 0; i < plan_.groups.size(); ++i) {
      const bool moves = static_cast<int64_t>(i) >= FrozenGroups(stage);
      for (const train::NamedParameter& parameter : plan_.groups[i].parameters) {
        parameter.tensor.requires_grad_(moves);
      }
    }
  }

  // The frozen layers' output for the whole target, where it fits.
  absl::Status FillCache(int64_t stage, train::StopSignal& stop) {
    cache_ = at::Tensor();
    if (!HasFrozen(stage) || CacheBytes(stage) > most_cache_bytes_) return absl::OkStatus();
    std::vector<at::Tensor> pieces;
    const absl::Status status =
        train::ForEachBatch(target_, device_, stop, [&](int64_t, const data::Batch& batch) {
          pieces.push_back(
              model_.ForwardTo(FrozenLevel(stage), batch.inputs, model::Mode::kEvaluation)
                  .to(at::kCPU));
        });
    if (!status.ok()) return status;
    cache_ = at::cat(pieces);
    return absl::OkStatus();
  }

  int64_t CacheBytes(int64_t stage) {
    const at::NoGradGuard no_grad;
    const at::Tensor one = model_.ForwardTo(FrozenLevel(stage), target_.Slice(0, 1, device_).inputs,
                                            model::Mode::kEvaluation);
    return target_.size() * one.numel() * static_cast<int64_t>(one.element_size());
  }

  at::Tensor BehindFrozen(int64_t stage, const train::StepInput& input) {
    if (!HasFrozen(stage)) return input.target.inputs;
    if (cache_.defined()) return cache_.index_select(0, input.target_index).to(device_);
    const at::NoGradGuard no_grad;
    return model_.ForwardTo(FrozenLevel(stage), input.target.inputs, model::Mode::kEvaluation);
  }

  // At most one model is left to judge: the one that came, or that of the stage that ended. Until
  // it is judged nothing changes but statistics, which follow from the weights.
  absl::Status JudgeUpTo(int64_t count, train::StopSignal& stop) {
    if (judged_ == count) return absl::OkStatus();
    if (target_statistics_) {
      absl::Status status = RecomputeStatistics(model_, target_, device_, stop);
      if (!status.ok()) return status;
    }
    Comparison comparison;
    if (judged_ > 0) {
      const absl::StatusOr<Comparison> compared = Compare(stop);
      if (!compared.ok()) return compared.status();
      comparison = *compared;
      scores_[judged_ - 1][0] = comparison.before;
      scores_[judged_ - 1][1] = comparison.after;
    }
    absl::Status status = comparison.keeps() ? best_->LoadStateDict(model_.StateDict())
                                             : model_.LoadStateDict(best_->StateDict());
    if (status.ok()) ++judged_;
    return status;
  }

  absl::StatusOr<Comparison> Compare(train::StopSignal& stop) {
    if (validation_) return CompareAccuracies(stop);
    if (examiner_ != nullptr) return CompareWithoutLabels(stop);
    return Comparison();
  }

  absl::StatusOr<Comparison> CompareAccuracies(train::StopSignal& stop) {
    Comparison comparison;
    for (const auto& [model, accuracy] :
         {std::pair(best_.get(), &comparison.before), std::pair(&model_, &comparison.after)}) {
      const absl::StatusOr<at::Tensor> confusion =
          train::ConfusionMatrix(*model, *validation_, device_, stop);
      if (!confusion.ok()) return confusion.status();
      *accuracy = train::Accuracy(*confusion);
    }
    return comparison;
  }

  // The share of the ensemble's validators that each of the two wins.
  absl::StatusOr<Comparison> CompareWithoutLabels(train::StopSignal& stop) {
    std::vector<selection::Candidate> candidates;
    for (model::Model* const model : {best_.get(), &model_}) {
      absl::StatusOr<selection::Candidate> candidate =
          examiner_->Examine(*model, absl::nullopt, selection::Form::kAdapted, stop);
      if (!candidate.ok()) return candidate.status();
      candidates.push_back(*std::move(candidate));
    }
    const std::vector<double> scores = selection::EnsembleScores(candidates);
    return Comparison{scores[0], scores[1]};
  }

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const bool target_statistics_;
  const double label_smoothing_;
  const int64_t most_cache_bytes_;
  const LayerGroups layers_;
  const int64_t stages_;
  const selection::HeldOut held_out_;
  const absl::optional<data::Dataset> validation_;       // with labels; absent: too few
  std::unique_ptr<const selection::Examiner> examiner_;  // null: labels, or too few samples
  int64_t steps_per_stage_ = 1;

  int64_t judged_ = 0;
  const std::unique_ptr<model::Model> best_;
  at::Tensor scores_;  // double [stages, 2]: before and after each stage; 0 until it is judged

  int64_t prepared_stage_ = kNoStage;  // what cache_ and the moving parameters are of
  at::Tensor cache_;                   // [N, ...] on the CPU; undefined: not cached
  train::Plan plan_;
};

absl::StatusOr<std::unique_ptr<train::Task>> MakeProgressive(const MethodContext& context) {
  auto task = std::make_unique<ProgressiveTask>(context);
  if (!task->has_head()) {
    return absl::InvalidArgumentError(
        "checkpoint: the classifier shares its weights with layers below it and cannot be trained "
        "alone");
  }
  return task;
}

}  // namespace

MethodEntry Progressive() {
  MethodSpec spec;
  spec.name = "progressive";
  spec.title = "Progressive transfer";
  spec.summary =
      "Trains a checkpoint on labelled target data in stages: the classifier, then more and more "
      "of "
      "the layers below it, each stage checked on samples kept aside and rolled back when it "
      "hurts. "
      "Frozen layers are run once and their output is cached.";
  spec.reference =
      "Yosinski et al., How transferable are features in deep neural networks?, NIPS (2014); "
      "Howard "
      "& Ruder, ULMFiT, ACL (2018)";
  spec.formula =
      "stage s: mean_i CE(logits_i, (1 - a) onehot(y_i) + a / C) over the head and the upper s "
      "groups of layers, a = label_smoothing; kept if accuracy on the validation share does not "
      "fall";
  spec.target_labels = DataNeed::kRequired;
  spec.hyperparameters = Concatenated(
      OptimizationSettings({}),
      {IntegerSetting(
           "stages",
           "The classifier, then one stage a group of layers; at most one a level of the "
           "network",
           4, 2, 1000),
       IntegerSetting("epochs", "Passes over the target data in each stage", 5, 1, 100000),
       RealSetting("layer_decay",
                   "Learning rate of a group of layers, relative to the group above it; 1 / 2.6 in "
                   "ULMFiT",
                   0.4, 0.0, 1.0),
       RealSetting("validation_share",
                   "Share of the target data that stages are judged by and not trained on; without "
                   "labels where it is under 16 samples",
                   0.2, 0.0, 0.5),
       FlagSetting("target_statistics",
                   "Take batch-norm statistics from the target before the first and after each "
                   "stage; else the source's stay and dropout is off",
                   true),
       RealSetting("label_smoothing", "Probability spread evenly over all classes", 0.1, 0.0, 0.99),
       IntegerSetting("cache_megabytes",
                      "Memory for the output of frozen layers; where it does not fit they are run "
                      "in every step",
                      1024, 0, 1048576)});
  return {spec, &MakeProgressive};
}

}  // namespace acclimate::methods
