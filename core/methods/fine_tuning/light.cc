// Light transfer: labelled target data move a small part of the model.
#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/fine_tuning/low_rank_adapter.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/perturbations.h"
#include "core/methods/target_statistics.h"

namespace acclimate::methods {
namespace {

constexpr char kLowRank[] = "low_rank";
constexpr char kA[] = ".lora_A", kB[] = ".lora_B";  // as the peft library names them
constexpr char kScale[] = "scale";                  // alpha / rank

bool IsBias(const model::Parameter& parameter) {
  return parameter.tensor.dim() == 1 && !parameter.batch_norm;
}

bool IsPart(const model::Parameter& parameter, const std::string& parts) {
  if (parts == "head") return parameter.head;
  return (parameter.batch_norm && parts != "bias") || (IsBias(parameter) && parts != "batch_norm");
}

class LightTask : public train::Task {
 public:
  explicit LightTask(const MethodContext& context)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        parts_(context.settings.Text("parts")),
        scale_(context.settings.Real("alpha") /
               static_cast<double>(context.settings.Integer("rank"))),
        target_statistics_(context.settings.Flag("target_statistics") &&
                           !model_.batch_norm_layers().empty()),
        label_smoothing_(context.settings.Real("label_smoothing")) {
    const int64_t batch_size = context.settings.Integer("batch_size");
    SetOptimization(context.settings, plan_);
    plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), batch_size);
    plan_.total_steps = plan_.steps_per_epoch * context.settings.Integer("epochs");
    plan_.target_batch_size = batch_size;
    plan_.target_labels = true;
    plan_.view = ChooseViews(context).view;
    if (parts_ == kLowRank) AddAdapters(context.settings.Integer("rank"));
    train::ParameterGroup group;
    for (const LowRankAdapter& adapter : adapters_) {
      group.parameters.push_back({absl::StrCat(adapter.name(), kA), adapter.a()});
      group.parameters.push_back({absl::StrCat(adapter.name(), kB), adapter.b()});
    }
    for (const model::Parameter& parameter : model_.parameters()) {
      if (parts_ == kLowRank || !IsPart(parameter, parts_)) continue;
      group.parameters.push_back({parameter.name, parameter.tensor});
    }
    plan_.groups.push_back(std::move(group));
  }

  const train::Plan& plan() const override { return plan_; }

  absl::Status BeginEpoch(int64_t epoch, train::StopSignal& stop) override {
    if (epoch > 0 || !target_statistics_) return absl::OkStatus();
    return RecomputeStatistics(model_, target_, device_, stop);
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    // With the source's statistics: those stored, and no dropout.
    const model::Mode mode = target_statistics_ ? model::Mode::kTraining : model::Mode::kEvaluation;
    std::map<std::string, at::Tensor> moved;
    for (const LowRankAdapter& adapter : adapters_) moved[adapter.name()] = adapter.Merged();
    const at::Tensor logits = adapters_.empty()
                                  ? model_.Forward(input.target.inputs, mode).logits
                                  : model_.ForwardWith(moved, input.target.inputs, mode).logits;
    train::StepOutput output;
    output.loss = losses::CrossEntropy(logits, input.target.labels, label_smoothing_);
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    for (const LowRankAdapter& adapter : adapters_) adapter.Merge();
    if (!target_statistics_) return absl::OkStatus();
    return RecomputeStatistics(model_, target_, device_, stop);
  }

  train::TensorMap State() const override {
    train::TensorMap factors;
    for (const LowRankAdapter& adapter : adapters_) {
      factors[absl::StrCat(adapter.name(), kA)] = adapter.a().detach();
      factors[absl::StrCat(adapter.name(), kB)] = adapter.b().detach();
    }
    return factors;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    return train::CopyInto(State(), state);
  }

  std::map<std::string, train::TensorMap> Files() const override {
    if (adapters_.empty()) return {};
    train::TensorMap delta = State();
    delta[kScale] = at::scalar_tensor(scale_, at::kFloat);
    return {{"delta.safetensors", delta}};
  }

  void Report(nlohmann::json& report) const override {
    const int64_t moved = Moved(), all = Parameters(), statistics = Statistics();
    report["light"] = {{"parts", parts_},
                       {"moved_parameters", moved},
                       {"model_parameters", all},
                       {"moved_share", static_cast<double>(moved) / static_cast<double>(all)},
                       {"statistics", statistics},
                       {"delta_bytes", kBytes * (moved + statistics)},
                       {"model_bytes", kBytes * all}};
  }

  std::map<std::string, double> Metrics() const override {
    return {{"moved_share", static_cast<double>(Moved()) / static_cast<double>(Parameters())}};
  }

 private:
  static constexpr int64_t kBytes = 4;  // of a float

  void AddAdapters(int64_t rank) {
    for (const model::Parameter& parameter : model_.parameters()) {
      if (parameter.batch_norm || parameter.tensor.dim() < 2) continue;
      adapters_.emplace_back(parameter.name, parameter.tensor, rank, scale_);
    }
  }

  int64_t Moved() const {
    int64_t count = 0;
    for (const train::NamedParameter& parameter : plan_.groups.front().parameters) {
      count += parameter.tensor.numel();
    }
    return count;
  }
  int64_t Parameters() const {
    int64_t count = 0;
    for (const model::Parameter& parameter : model_.parameters()) count += parameter.tensor.numel();
    return count;
  }
  int64_t Statistics() const {
    int64_t count = 0;
    for (const model::BatchNormLayer& layer : model_.batch_norm_layers()) {
      if (target_statistics_) count += layer.running_mean.numel() + layer.running_var.numel();
    }
    return count;
  }

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const std::string parts_;
  const double scale_;
  const bool target_statistics_;
  const double label_smoothing_;
  std::vector<LowRankAdapter> adapters_;
  train::Plan plan_;
};

}  // namespace

MethodEntry Light() {
  MethodSpec spec;
  spec.name = "light";
  spec.title = "Light transfer";
  spec.summary =
      "Moves a small part of the model on a few labelled target samples: batch norm, biases, the "
      "classifier, or low-rank adapters that are merged into the weights and kept beside them. For "
      "many targets of one source, of which each costs only its delta.";
  spec.reference = "Hu et al., LoRA, ICLR (2022); Ben Zaken et al., BitFit, ACL (2022)";
  spec.formula = "mean_i CE(logits_i, y_i) over the chosen part; low_rank: W + (alpha / rank) B A";
  spec.target_labels = DataNeed::kRequired;
  OptimizationDefaults defaults;
  defaults.optimizer = "adam";
  defaults.learning_rate = 1e-3;
  defaults.weight_decay = 0.0;
  spec.hyperparameters = Concatenated(
      OptimizationSettings(defaults),
      {ChoiceSetting("parts", "What moves", kLowRank,
                     {"batch_norm", "bias", "batch_norm+bias", "head", kLowRank}),
       IntegerSetting("epochs", "Passes over the target data", 10, 1, 100000),
       IntegerSetting("rank", "Directions in which a weight moves (low_rank)", 4, 1, 4096),
       PositiveSetting("alpha", "Size of the adapters' steps: B A counts alpha / rank (low_rank)",
                       8.0, 10000.0),
       FlagSetting("target_statistics",
                   "Take batch-norm statistics from the target before and after training", true),
       RealSetting("label_smoothing", "Probability spread evenly over all classes", 0.1, 0.0, 0.99),
       AugmentSetting(), MaskTokenSetting()});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            auto task = std::make_unique<LightTask>(context);
            if (task->plan().groups.front().parameters.empty()) {
              return absl::InvalidArgumentError(absl::StrCat(
                  "hyperparameters.parts: the model has no ", context.settings.Text("parts")));
            }
            return task;
          }};
}

}  // namespace acclimate::methods
