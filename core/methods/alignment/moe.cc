// Mixture of experts: a classifier for each source domain, and a gate that tells which of them to
// ask about a sample.
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
#include "core/losses/cross_entropy.h"
#include "core/losses/load_balance.h"
#include "core/methods/few_shot/linear_head.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/target_statistics.h"
#include "core/model/mixture.h"
#include "core/selection/source_record.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr double kBalanceWeight = 0.01;  // alpha of Fedus et al. (2022)

// Trains the mixture, a model of its own; the run's model stays as it is.
class MoeTask : public train::Task {
 public:
  MoeTask(const MethodContext& context, std::unique_ptr<model::Model> mixture)
      : mixture_(std::move(mixture)),
        target_(context.target),
        device_(context.device),
        balance_weight_(context.settings.Real("balance_weight")),
        own_statistics_(context.settings.Flag("target_statistics") &&
                        !mixture_->batch_norm_layers().empty()),
        sources_(context.sources.size()) {
    const int64_t batch_size = context.settings.Integer("batch_size");
    int64_t samples = 0;
    for (const data::Dataset& source : context.sources) samples += source.size();
    SetOptimization(context.settings, plan_);
    plan_.total_steps = PlannedSteps(context.settings, context.sources, context.target);
    plan_.steps_per_epoch = BatchesPerEpoch(samples, batch_size);
    plan_.source_batch_size = batch_size;
    ParametersByDepth parameters = SplitByDepth(*mixture_);
    plan_.groups = {{std::move(parameters.backbone),
                     context.settings.Real("backbone_learning_rate_multiplier")},
                    {std::move(parameters.last_block), 1.0},
                    {std::move(parameters.head), 1.0}};
  }

  const train::Plan& plan() const override { return plan_; }
  int KindOf(int64_t /*step*/) const override { return 0; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const model::ForwardResult mixed = Forward(input);
    const model::ExpertOutputs parts = model::RunExperts(*mixture_, mixed.features);
    const at::Tensor experts = ExpertLoss(parts.logits, input);
    const at::Tensor mixture = losses::CrossEntropy(mixed.logits, input.source.labels);
    const at::Tensor balance = losses::LoadBalance(parts.gates);
    train::StepOutput output;
    output.loss = experts + mixture + balance_weight_ * balance;
    output.parts = {{"experts", experts}, {"mixture", mixture}, {"balance", balance}};
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    if (absl::Status status = Preview(target_, stop); !status.ok()) return status;
    return WeighSources(stop);
  }

  absl::Status Preview(const data::Dataset& target_sample, train::StopSignal& stop) override {
    if (!own_statistics_) return absl::OkStatus();
    return RecomputeStatistics(*mixture_, target_sample, device_, stop);
  }

  model::Model* own_model() override { return mixture_.get(); }

  train::TensorMap State() const override { return mixture_->StateDict(); }

  absl::Status Restore(const train::TensorMap& state) override {
    for (const auto& [name, tensor] : State()) {
      if (state.count(name) == 0) {
        return absl::InvalidArgumentError(absl::StrCat("training state: no ", name));
      }
    }
    return mixture_->LoadStateDict(state);
  }

  // Of a mixture that is not returned, since the source model holds against it, there is nothing to
  // say.
  void Report(nlohmann::json& report) const override {
    if (weights_.empty()) return;
    report["moe"] = {{"source_weights", weights_}, {"first_choices", first_choices_}};
  }

  std::map<std::string, double> Metrics() const override {
    std::map<std::string, double> metrics;
    for (size_t k = 0; k < weights_.size(); ++k) {
      metrics[absl::StrCat("source_weight/", k)] = weights_[k];
    }
    return metrics;
  }

  std::vector<std::string> Warnings() const override {
    if (sources_ != 1) return {};
    return {"moe: there is one source, so one expert: nothing was mixed"};
  }

  // A copy: a run that is paused while it evaluates is still asked for its state.
  std::unique_ptr<model::Model> TakeModel() override { return mixture_->Clone(); }

 private:
  // Of the sources, one after the other: each normalised by itself, as the target will be, or all
  // of them together.
  model::ForwardResult Forward(const train::StepInput& input) {
    if (!own_statistics_) return mixture_->Forward(input.source.inputs, model::Mode::kTraining);
    std::vector<at::Tensor> features, logits;
    for (const at::Tensor& inputs : input.source.inputs.split_with_sizes(input.source_counts)) {
      const model::ForwardResult source = mixture_->Forward(inputs, model::Mode::kTraining);
      features.push_back(source.features);
      logits.push_back(source.logits);
    }
    return {at::cat(features), at::cat(logits)};
  }

  // Expert k learns source k; the mean over the sources.
  static at::Tensor ExpertLoss(const at::Tensor& logits, const train::StepInput& input) {
    const std::vector<int64_t>& counts = input.source_counts;
    const std::vector<at::Tensor> own = logits.split_with_sizes(counts);
    const std::vector<at::Tensor> labels = input.source.labels.split_with_sizes(counts);
    std::vector<at::Tensor> terms;
    for (size_t k = 0; k < counts.size(); ++k) {
      terms.push_back(losses::CrossEntropy(own[k].select(1, static_cast<int64_t>(k)), labels[k]));
    }
    return at::stack(terms).mean();
  }

  // The gate's mean over the target, and how often each expert comes first in it.
  absl::Status WeighSources(train::StopSignal& stop) {
    std::vector<at::Tensor> gates;
    const absl::Status status =
        train::ForEachBatch(target_, device_, stop, [&](int64_t, const data::Batch& batch) {
          const at::Tensor features =
              mixture_->Forward(batch.inputs, model::Mode::kEvaluation).features;
          gates.push_back(model::RunExperts(*mixture_, features).gates.to(at::kCPU, at::kDouble));
        });
    if (!status.ok()) return status;
    const at::Tensor all = at::cat(gates);
    const at::Tensor weights = all.mean(0);
    const at::Tensor firsts = at::one_hot(all.argmax(1), all.size(1)).to(at::kDouble).mean(0);
    weights_.assign(weights.data_ptr<double>(), weights.data_ptr<double>() + weights.numel());
    first_choices_.assign(firsts.data_ptr<double>(), firsts.data_ptr<double>() + firsts.numel());
    return absl::OkStatus();
  }

  const std::unique_ptr<model::Model> mixture_;
  const data::Dataset& target_;
  const at::Device device_;
  const double balance_weight_;
  const bool own_statistics_;
  const size_t sources_;
  train::Plan plan_;
  std::vector<double> weights_, first_choices_;  // by source; made by Finish()
};

// The mixture, once it has proved on samples of the target that it begins as the model.
absl::StatusOr<std::unique_ptr<model::Model>> MixtureOf(const MethodContext& context) {
  const at::NoGradGuard no_grad;
  constexpr int64_t kSamples = 4;
  const at::Tensor probe =
      context.target.Slice(0, std::min(kSamples, context.target.size()), context.device).inputs;
  const at::Tensor expected =
      context.model.Forward(probe, model::Mode::kEvaluation).logits.log_softmax(1);
  if (absl::Status status = LinearHead::Of(context.model).status(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<model::Model>> mixture =
      model::MakeMixture(context.model, static_cast<int64_t>(context.sources.size()));
  if (!mixture.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint: ", mixture.status().message()));
  }
  const at::Tensor got = (*mixture)->Forward(probe, model::Mode::kEvaluation).logits;
  constexpr double kTolerance = 1e-3;  // float arithmetic, another order
  if (got.sizes() != expected.sizes() || !got.allclose(expected, kTolerance, kTolerance)) {
    return absl::InvalidArgumentError(
        "checkpoint: the classifier layer does not make the model's output as it is, so it cannot "
        "be given experts");
  }
  selection::EraseRecord((*mixture)->metadata());
  return mixture;
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeMoe(const MethodContext& context) {
  const int64_t sources = static_cast<int64_t>(context.sources.size());
  if (context.settings.Integer("batch_size") < 2 * sources) {
    return absl::InvalidArgumentError(absl::StrCat(
        "hyperparameters.batch_size: must be at least 2 for each of the ", sources, " sources"));
  }
  absl::StatusOr<std::unique_ptr<model::Model>> mixture = MixtureOf(context);
  if (!mixture.ok()) return mixture.status();
  return std::make_unique<MoeTask>(context, *std::move(mixture));
}

}  // namespace

MethodEntry Moe() {
  MethodSpec spec;
  spec.name = "moe";
  spec.title = "Mixture of experts, one a source";
  spec.summary =
      "Trains one classifier for each of several labelled sources, on shared features, and a gate "
      "that weighs them sample by sample. For a target that resembles different sources in "
      "different places. The mixture is saved as one TorchScript model.";
  spec.reference =
      "Jacobs et al., Neural Computation 3 (1991); Guo et al., EMNLP (2018); load balance: Fedus "
      "et al., JMLR 23 (2022)";
  spec.formula =
      "p(y|x) = sum_e g_e(f) softmax(W_e f + b_e), g = softmax(V f + a); mean_k CE(expert k, "
      "source k) + CE(p, all sources) + balance_weight E sum_e share_e mean g_e";
  spec.source = DataNeed::kRequired;
  spec.selects_weights = true;
  spec.hyperparameters = Concatenated(
      OptimizationSettings({}),
      {StepsSetting(),
       RealSetting("balance_weight", "Weight of the load balance between the experts",
                   kBalanceWeight, 0.0, 1e6),
       RealSetting("backbone_learning_rate_multiplier",
                   "Learning rate before the last block, relative to it", 1.0, 0.0, 1000.0),
       FlagSetting("target_statistics",
                   "Normalise each source by its own batch statistics and, in the end, the target "
                   "by those of all its samples; off: one set of statistics, of all sources",
                   true)});
  return {spec, &MakeMoe};
}

}  // namespace acclimate::methods
