// Label shift: the target's class shares, estimated, and the classifier layer corrected for them.
#include "core/shift/label_shift.h"

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
#include "core/losses/entropy.h"
#include "core/methods/method.h"
#include "core/shift/calibration.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

// Keys of what was found: tensors of double.
constexpr char kSourcePrior[] = "source_prior";
constexpr char kTargetPrior[] = "target_prior";
constexpr char kLow[] = "target_prior_low";
constexpr char kHigh[] = "target_prior_high";
constexpr char kBias[] = "calibration_bias";
constexpr char kTemperature[] = "temperature";
constexpr char kErrorBefore[] = "calibration_error_before";
constexpr char kErrorAfter[] = "calibration_error_after";
constexpr char kSourceEntropy[] = "source_entropy";  // of the source in the target's shares
constexpr char kTargetEntropy[] = "target_entropy";

// Predictions are as sure of the target as of the source in the same shares where only these moved;
// so many times the entropy is another shift.
constexpr double kMostEntropy = 1.5;

// The last parameters of the model: logits = weight features + bias.
struct Head {
  at::Tensor weight, bias;
};

absl::StatusOr<Head> FindHead(const model::Model& model) {
  Head head;
  for (const model::Parameter& parameter : model.parameters()) {
    if (!parameter.head) continue;
    if (parameter.tensor.dim() == 1 && parameter.tensor.size(0) == model.num_classes()) {
      head.bias = parameter.tensor;
    } else if (parameter.tensor.dim() >= 2) {
      head.weight = parameter.tensor;
    }
  }
  if (head.weight.defined() && head.bias.defined()) return head;
  return absl::InvalidArgumentError(
      "checkpoint: the classifier layer has no bias, which the correction is added to; give it one "
      "of zeros and save the model again");
}

std::vector<double> ToVector(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kDouble).contiguous().view({-1});
  return std::vector<double>(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
}

shift::PriorEstimator EstimatorNamed(const std::string& name) {
  if (name == "bbse") return shift::PriorEstimator::kBbse;
  if (name == "rlls") return shift::PriorEstimator::kRlls;
  return shift::PriorEstimator::kEm;
}

struct DomainOutputs {
  at::Tensor logits;    // double [N, C] on the CPU
  at::Tensor labels;    // int64 [N]; undefined without any
  at::Tensor features;  // of the first batch
};

// One step: passes over both domains, then arithmetic.
class LabelShiftTask : public train::Task {
 public:
  LabelShiftTask(const MethodContext& context, Head head)
      : model_(context.model),
        sources_(context.sources),
        target_(context.target),
        device_(context.device),
        head_(std::move(head)),
        estimator_(context.settings.Text("estimator")),
        calibration_(context.settings.Text("calibration")),
        bootstrap_(context.settings.Integer("bootstrap")) {
    plan_.total_steps = 1;
    for (const char* key : {kSourcePrior, kTargetPrior, kLow, kHigh, kBias}) {
      found_[key] = at::zeros({model_.num_classes()}, at::kDouble);
    }
    for (const char* key :
         {kTemperature, kErrorBefore, kErrorAfter, kSourceEntropy, kTargetEntropy}) {
      found_[key] = at::zeros({}, at::kDouble);
    }
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput&,
                                         train::StopSignal& stop) override {
    DomainOutputs source;
    for (const data::Dataset& dataset : sources_) {
      const absl::StatusOr<DomainOutputs> part = OutputsOf(dataset, stop);
      if (!part.ok()) return part.status();
      source = source.logits.defined() ? DomainOutputs{at::cat({source.logits, part->logits}),
                                                       at::cat({source.labels, part->labels}),
                                                       {}}
                                       : *part;
    }
    const absl::StatusOr<DomainOutputs> target = OutputsOf(target_, stop);
    if (!target.ok()) return target.status();
    const at::NoGradGuard no_grad;
    const shift::Calibration calibration = Calibrate(source);
    if (absl::Status status = Estimate(source, *target, calibration); !status.ok()) return status;
    if (absl::Status status = Correct(*target, calibration); !status.ok()) return status;
    train::StepOutput output;
    output.samples = source.logits.size(0) + target_.size();
    return output;
  }

  train::TensorMap State() const override { return found_; }

  absl::Status Restore(const train::TensorMap& state) override {
    for (auto& [key, tensor] : found_) {
      const auto it = state.find(key);
      if (it == state.end() || it->second.sizes() != tensor.sizes()) {
        return absl::InvalidArgumentError(absl::StrCat("training state: no fitting ", key));
      }
      tensor = it->second.clone();
    }
    return absl::OkStatus();
  }

  void Report(nlohmann::json& report) const override {
    report["label_shift"] = {
        {"estimator", estimator_},
        {"calibration",
         {{"method", calibration_},
          {"temperature", Number(kTemperature)},
          {"bias", ToVector(found_.at(kBias))},
          {"expected_calibration_error", {Number(kErrorBefore), Number(kErrorAfter)}}}},
        {"source_prior", ToVector(found_.at(kSourcePrior))},
        {"target_prior", ToVector(found_.at(kTargetPrior))},
        {"entropy", {{"source", Number(kSourceEntropy)}, {"target", Number(kTargetEntropy)}}}};
    if (bootstrap_ == 0) return;
    report["label_shift"]["target_prior_interval_95"] = {{"low", ToVector(found_.at(kLow))},
                                                         {"high", ToVector(found_.at(kHigh))}};
  }

  std::vector<std::string> Warnings() const override {
    const double source = Number(kSourceEntropy), target = Number(kTargetEntropy);
    if (target <= kMostEntropy * source) return {};
    return {absl::StrFormat(
        "the model is less sure of the target (entropy %.3f nats) than of the source in the same "
        "shares of classes (%.3f): more than the shares moved, so these shares and the correction "
        "may be wrong; see diagnose",
        target, source)};
  }

  std::map<std::string, double> Metrics() const override {
    const at::Tensor moved = (found_.at(kTargetPrior) - found_.at(kSourcePrior)).abs().sum();
    return {{"prior_shift_l1", moved.item<double>()}, {"temperature", Number(kTemperature)}};
  }

 private:
  double Number(const char* key) const { return found_.at(key).item<double>(); }

  absl::StatusOr<DomainOutputs> OutputsOf(const data::Dataset& dataset, train::StopSignal& stop) {
    DomainOutputs outputs;
    std::vector<at::Tensor> logits;
    const absl::Status status =
        train::ForEachBatch(dataset, device_, stop, [&](int64_t, const data::Batch& batch) {
          const model::ForwardResult result =
              model_.Forward(batch.inputs, model::Mode::kEvaluation);
          if (!outputs.features.defined()) outputs.features = result.features;
          logits.push_back(result.logits.to(at::kCPU, at::kDouble));
        });
    if (!status.ok()) return status;
    outputs.logits = at::cat(logits);
    outputs.labels = dataset.labels();
    return outputs;
  }

  shift::Calibration Calibrate(const DomainOutputs& source) {
    shift::Calibration calibration;
    if (calibration_ == "temperature") {
      calibration = shift::FitTemperature(source.logits, source.labels);
    } else if (calibration_ == "bias_corrected") {
      calibration = shift::FitBiasCorrectedTemperature(source.logits, source.labels);
    }
    if (!calibration.bias.defined()) {
      calibration.bias = at::zeros({model_.num_classes()}, at::kDouble);
    }
    const auto error = [&source](const at::Tensor& logits) {
      return at::scalar_tensor(shift::ExpectedCalibrationError(logits.softmax(1), source.labels),
                               at::kDouble);
    };
    found_[kTemperature] = at::scalar_tensor(calibration.temperature, at::kDouble);
    found_[kBias] = calibration.bias;
    found_[kErrorBefore] = error(source.logits);
    found_[kErrorAfter] = error(shift::CalibratedLogits(source.logits, calibration));
    return calibration;
  }

  absl::Status Estimate(const DomainOutputs& source, const DomainOutputs& target,
                        const shift::Calibration& calibration) {
    const shift::PriorEstimator estimator = EstimatorNamed(estimator_);
    shift::LabelShiftEvidence evidence;
    evidence.confusion = at::zeros({model_.num_classes(), model_.num_classes()}, at::kLong);
    const at::Tensor source_logits = shift::CalibratedLogits(source.logits, calibration);
    const at::Tensor target_logits = shift::CalibratedLogits(target.logits, calibration);
    train::CountPredictions(source_logits, source.labels, evidence.confusion);
    evidence.probabilities = target_logits.softmax(1);
    const absl::StatusOr<at::Tensor> prior = shift::EstimatePrior(estimator, evidence);
    if (!prior.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("sources: ", prior.status().message()));
    }
    found_[kSourcePrior] = shift::SourcePrior(evidence.confusion);
    found_[kTargetPrior] = *prior;
    const at::Tensor weights = (*prior / found_.at(kSourcePrior)).index_select(0, source.labels);
    found_[kSourceEntropy] = (losses::Entropy(source_logits) * weights).sum() / weights.sum();
    found_[kTargetEntropy] = losses::MeanEntropy(target_logits);
    if (bootstrap_ == 0) return absl::OkStatus();
    const shift::PriorInterval interval =
        shift::BootstrapPrior(estimator, evidence, *prior, bootstrap_);
    found_[kLow] = interval.low;
    found_[kHigh] = interval.high;
    return absl::OkStatus();
  }

  // logits <- logits / T + b + log(q / p), by weight and bias of the classifier layer.
  absl::Status Correct(const DomainOutputs& target, const shift::Calibration& calibration) {
    // A class that was not found may still be there: less than one sample of it would not show.
    const at::Tensor prior =
        found_.at(kTargetPrior).clamp_min(1.0 / static_cast<double>(target_.size()));
    const at::Tensor offset = calibration.bias + (prior / found_.at(kSourcePrior)).log();
    const at::Tensor weight = head_.weight.clone(), bias = head_.bias.clone();
    head_.weight.copy_(weight / calibration.temperature);
    head_.bias.copy_(bias / calibration.temperature + offset.to(bias.device(), at::kFloat));

    const at::Tensor wanted =
        target.logits.narrow(0, 0, target.features.size(0)) / calibration.temperature + offset;
    const at::Tensor got = model_.ClassifyFeatures(target.features).to(at::kCPU, at::kDouble);
    constexpr double kTolerance = 1e-3;  // of the largest logit: float arithmetic, another order
    const double scale = std::max(1.0, wanted.abs().max().item<double>());
    if ((got - wanted).abs().max().item<double>() < kTolerance * scale) return absl::OkStatus();
    head_.weight.copy_(weight);
    head_.bias.copy_(bias);
    return absl::InvalidArgumentError(
        "checkpoint: the classifier layer's bias does not add to the logits as it is, so they "
        "cannot be corrected there");
  }

  model::Model& model_;
  const std::vector<data::Dataset>& sources_;
  const data::Dataset& target_;
  const at::Device device_;
  const Head head_;
  const std::string estimator_, calibration_;
  const int64_t bootstrap_;
  train::TensorMap found_;
  train::Plan plan_;
};

}  // namespace

MethodEntry LabelShift() {
  MethodSpec spec;
  spec.name = "label_shift";
  spec.title = "Label-shift correction (BBSE, RLLS, EM)";
  spec.summary =
      "Estimates how often each class occurs in the target, with intervals, and corrects the "
      "classifier layer for it. For a target that differs in its class shares alone; the source "
      "samples must not be those that the model was trained on.";
  spec.reference =
      "Saerens et al., Neural Computation 14 (2002); Lipton et al., ICML (2018); Azizzadenesheli "
      "et "
      "al., ICLR (2019); Alexandari et al., ICML (2020)";
  spec.formula =
      "logits <- logits / T + b + log(q / p); q by EM: q <- mean_i of p(y|x_i) q/p, renormalised; "
      "by "
      "BBSE, RLLS: q = p w, C w = mu";
  spec.source = DataNeed::kRequired;
  spec.full_precision = true;
  spec.answers = {shift::ShiftKind::kLabel};
  spec.hyperparameters = {
      ChoiceSetting("estimator",
                    "em, the most exact with calibration; rlls and bbse from the confusion matrix "
                    "alone",
                    "em", {"em", "rlls", "bbse"}),
      ChoiceSetting("calibration", "Fitted on the source samples before the estimate",
                    "bias_corrected", {"bias_corrected", "temperature", "none"}),
      IntegerSetting("bootstrap", "Bootstrap draws for the 95 % intervals; 0: none", 200, 0,
                     10000)};
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            absl::StatusOr<Head> head = FindHead(context.model);
            if (!head.ok()) return head.status();
            return std::make_unique<LabelShiftTask>(context, *std::move(head));
          }};
}

}  // namespace acclimate::methods
