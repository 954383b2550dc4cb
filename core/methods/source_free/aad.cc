// AaD: neighbours in feature space are drawn to one prediction, and the samples of a batch apart.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "core/losses/attraction_dispersion.h"
#include "core/losses/unit_rows.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/perturbations.h"
#include "core/methods/target_statistics.h"
#include "core/runtime/random.h"
#include "core/selection/neighborhood_density.h"
#include "core/selection/predictions.h"
#include "core/train/pass.h"
#include "core/train/trainer.h"

namespace acclimate::methods {
namespace {

constexpr char kFeatureBank[] = "feature_bank";
constexpr char kPredictionBank[] = "prediction_bank";
constexpr char kBetaKey[] = "beta";

// The paper's values, among which it chooses by soft neighbourhood density.
constexpr double kBetas[] = {0, 1, 2, 5};
constexpr int64_t kTrialParts = 15;      // of a plan; a trial is one: an epoch of the paper's plan
constexpr int64_t kTrialSamples = 1000;  // that a trial is judged by
constexpr double kNotChosen = -1;

class AadTask : public train::Task {
 public:
  // beta: kNotChosen for one that is chosen by trials.
  AadTask(const MethodContext& context, double beta)
      : context_(context),
        target_statistics_(context.settings.Flag("target_statistics")),
        neighbors_(std::min(context.settings.Integer("neighbors"), context.target.size() - 1)),
        beta_(beta) {
    const int64_t batch_size = context.settings.Integer("batch_size");
    SetOptimization(context.settings, plan_);
    plan_.steps_per_epoch = BatchesPerEpoch(context.target.size(), batch_size);
    plan_.total_steps = plan_.steps_per_epoch * context.settings.Integer("epochs");
    plan_.target_batch_size = batch_size;
    plan_.view = ChooseViews(context).view;
    ParametersByDepth parameters = SplitByDepth(context.model);
    plan_.groups = {{std::move(parameters.backbone),
                     context.settings.Real("backbone_learning_rate_multiplier")},
                    {std::move(parameters.last_block), 1.0},
                    {std::move(parameters.head), 1.0}};
    const auto options = at::TensorOptions(context.device);
    features_ = at::zeros({context.target.size(), context.model.feature_size()}, options);
    predictions_ = at::zeros({context.target.size(), context.model.num_classes()}, options);
  }

  const train::Plan& plan() const override { return plan_; }

  absl::Status BeginEpoch(int64_t epoch, train::StopSignal& stop) override {
    if (epoch > 0) return absl::OkStatus();
    if (beta_ == kNotChosen) {
      if (absl::Status status = ChooseBeta(stop); !status.ok()) return status;
    }
    if (absl::Status status = Preview(context_.target, stop); !status.ok()) return status;
    return FillBanks(stop);
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const model::ForwardResult result =
        context_.model.Forward(input.target.inputs, model::Mode::kTraining);
    const at::Tensor probabilities = result.logits.softmax(1);
    const double progress =
        static_cast<double>(input.step) / static_cast<double>(plan_.total_steps);
    train::StepOutput output;
    output.loss = losses::AttractionDispersion(
        probabilities, Neighbors(input.target_index, result.features, probabilities),
        std::pow(1 + 10 * progress, -beta_));
    output.target_logits = result.logits.detach();
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override { return Preview(context_.target, stop); }
  absl::Status Preview(const data::Dataset& target_sample, train::StopSignal& stop) override {
    if (!target_statistics_) return absl::OkStatus();
    return RecomputeStatistics(context_.model, target_sample, context_.device, stop);
  }

  train::TensorMap State() const override {
    return {{kFeatureBank, features_},
            {kPredictionBank, predictions_},
            {kBetaKey, at::scalar_tensor(beta_, at::kDouble)}};
  }

  absl::Status Restore(const train::TensorMap& state) override {
    at::Tensor beta = at::zeros({}, at::kDouble);
    const absl::Status status = train::CopyInto(
        {{kFeatureBank, features_}, {kPredictionBank, predictions_}, {kBetaKey, beta}}, state);
    if (status.ok()) beta_ = beta.item<double>();
    return status;
  }

  void Report(nlohmann::json& report) const override { report["aad"] = {{"beta", beta_}}; }

 private:
  // What was last predicted for the neighbours of the samples at `index`, [B, K, C]; what is now
  // predicted for the samples themselves takes its place among it.
  at::Tensor Neighbors(const at::Tensor& index, const at::Tensor& features,
                       const at::Tensor& probabilities) {
    const at::NoGradGuard no_grad;
    const at::Tensor place = index.to(features_.device());
    const at::Tensor unit_features = losses::UnitRows(features);
    features_.index_copy_(0, place, unit_features);
    predictions_.index_copy_(0, place, probabilities.detach());
    at::Tensor similarity = unit_features.mm(features_.t());
    similarity.scatter_(1, place.unsqueeze(1), kItself);
    const at::Tensor nearest =
        std::get<1>(similarity.topk(neighbors_, /*dim=*/1, /*largest=*/true, /*sorted=*/false));
    return predictions_.index_select(0, nearest.flatten())
        .view({nearest.size(0), neighbors_, predictions_.size(1)});
  }

  // Of the model in evaluation mode.
  absl::Status FillBanks(train::StopSignal& stop) {
    const at::NoGradGuard no_grad;
    return train::ForEachBatch(
        context_.target, context_.device, stop, [&](int64_t begin, const data::Batch& batch) {
          const model::ForwardResult result =
              context_.model.Forward(batch.inputs, model::Mode::kEvaluation);
          const int64_t count = batch.inputs.size(0);
          features_.narrow(0, begin, count).copy_(losses::UnitRows(result.features));
          predictions_.narrow(0, begin, count).copy_(result.logits.softmax(1));
        });
  }

  // Short runs of copies of the model, one a value.
  absl::Status ChooseBeta(train::StopSignal& stop) {
    const data::Dataset sample = selection::Sample(context_.target, kTrialSamples, context_.seed,
                                                   /*labels=*/false);
    const auto generators = runtime::GeneratorStates(context_.device);
    double best = kNotChosen, best_density = 0;
    for (const double beta : kBetas) {
      const absl::StatusOr<double> density = DensityAfterTrial(beta, sample, stop);
      // The same draws for every trial, and for the run as if there had been none: a trial that was
      // stopped is repeated.
      absl::Status status = density.status();
      status.Update(runtime::RestoreGenerators(generators, context_.device));
      if (!status.ok()) return status;
      if (best == kNotChosen || *density > best_density) {
        best = beta;
        best_density = *density;
      }
    }
    beta_ = best;
    return absl::OkStatus();
  }

  absl::StatusOr<double> DensityAfterTrial(double beta, const data::Dataset& sample,
                                           train::StopSignal& stop) const {
    const std::unique_ptr<model::Model> model = context_.model.Clone();
    AadTask task({*model, context_.sources, context_.target, context_.device, context_.settings,
                  context_.inputs},
                 beta);
    train::TrainerOptions options;
    options.device = context_.device;
    options.seed = context_.seed;
    train::Trainer trainer(task, *model, context_.sources, context_.target, options, {});
    absl::Status status =
        trainer.RunTo(std::max<int64_t>(plan_.total_steps / kTrialParts, 1), stop);
    if (status.ok()) status = task.Preview(sample, stop);
    if (!status.ok()) return status;
    const absl::StatusOr<selection::Predictions> seen =
        selection::Predict(*model, sample, context_.device, stop);
    if (!seen.ok()) return seen.status();
    return selection::NeighborhoodDensity(seen->logits);
  }

  static constexpr double kItself = -2;  // below every cosine

  const MethodContext context_;
  const bool target_statistics_;
  const int64_t neighbors_;
  double beta_;
  at::Tensor features_;     // float [N, D]: of every sample of the target, of length 1
  at::Tensor predictions_;  // float [N, C]: probabilities
  train::Plan plan_;
};

absl::StatusOr<std::unique_ptr<train::Task>> MakeAad(const MethodContext& context) {
  if (context.target.size() < 2) {
    return absl::InvalidArgumentError("target: aad needs at least two samples");
  }
  double beta = kNotChosen;
  const std::string& text = context.settings.Text("beta");
  if (text != "auto" && !absl::SimpleAtod(text, &beta)) {
    return absl::InvalidArgumentError("hyperparameters.beta: not a number");
  }
  return std::make_unique<AadTask>(context, beta);
}

}  // namespace

MethodEntry Aad() {
  MethodSpec spec;
  spec.name = "aad";
  spec.title = "Attracting and dispersing (AaD)";
  spec.summary =
      "Draws the predictions of neighbours in feature space together and those of a batch apart. "
      "Source-free like shot, without pseudo-labels and without an assumption about the classes' "
      "shares in the end.";
  spec.reference = "Yang et al., Attracting and Dispersing, NeurIPS (2022)";
  spec.formula =
      "-sum over the nearest neighbours j of i of p_i'p_j + a_t mean_i sum_{m != i in the batch} "
      "p_i'p_m, a_t = (1 + 10 t / T)^-beta";
  spec.selects_weights = true;
  OptimizationDefaults defaults;
  defaults.learning_rate = 1e-3;
  spec.hyperparameters = Concatenated(
      OptimizationSettings(defaults),
      {IntegerSetting("epochs", "Passes over the target data", 15, 1, 100000),
       IntegerSetting("neighbors", "Nearest neighbours of a sample", 5, 1, 1000),
       ChoiceSetting("beta",
                     "How fast the dispersing term fades; auto: by the soft neighbourhood density "
                     "of four short runs",
                     "auto", {"auto", "0", "1", "2", "5"}),
       RealSetting(
           "backbone_learning_rate_multiplier",
           "Learning rate before the last block, relative to it; 0.1 for a large pretrained "
           "one",
           1.0, 0.0, 1000.0),
       FlagSetting("target_statistics",
                   "Take batch-norm statistics from the whole target before and after training",
                   true),
       AugmentSetting(), MaskTokenSetting()});
  return {spec, &MakeAad};
}

}  // namespace acclimate::methods
