// SAR: sharpness-aware entropy minimisation on reliable samples, with a way back to the source.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/losses/reliable_entropy.h"
#include "core/methods/sharpest_nearby.h"
#include "core/methods/source_free/test_time_task.h"

namespace acclimate::methods {
namespace {

constexpr char kSarNumbers[] = "sar";
constexpr double kAverageDecay = 0.9;

class SarTask : public TestTimeTask {
 public:
  // Without the last layers, whose features are too close to the decision: a share of 0.2 is
  // exactly layer4 of ResNet-50, which the authors leave out.
  explicit SarTask(const MethodContext& context)
      : TestTimeTask(context,
                     NormalizationParameters(context.model, context.settings.Real("frozen_share"))),
        margin_(context.settings.Real("entropy_margin") * std::log(model_.num_classes())),
        rho_(context.settings.Real("rho")),
        reset_below_(context.settings.Real("reset_threshold") * std::log(model_.num_classes())) {
    for (const train::NamedParameter& parameter : moving()) {
      source_.push_back(parameter.tensor.detach().clone());
    }
  }

  train::TensorMap State() const override {
    train::TensorMap state = TestTimeTask::State();
    state[kSarNumbers] = at::tensor({average_, static_cast<double>(resets_)}, at::kDouble);
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    if (absl::Status status = TestTimeTask::Restore(state); !status.ok()) return status;
    const auto it = state.find(kSarNumbers);
    if (it == state.end() || it->second.numel() != 2) {
      return absl::InvalidArgumentError("training state: no fitting average of the loss");
    }
    average_ = it->second[0].item<double>();
    resets_ = it->second[1].to(at::kLong).item<int64_t>();
    return absl::OkStatus();
  }

  void Report(nlohmann::json& report) const override {
    TestTimeTask::Report(report);
    report["sar"] = {{"resets", resets_}};
  }

  std::vector<std::string> Warnings() const override {
    std::vector<std::string> warnings = TestTimeTask::Warnings();
    if (resets_ > 0) {
      warnings.push_back(absl::StrCat("the model was set back to the source's weights ", resets_,
                                      resets_ == 1 ? " time" : " times",
                                      ", when it had become too sure of itself"));
    }
    return warnings;
  }

 protected:
  absl::StatusOr<train::StepOutput> Adapt(const train::StepInput& input) override {
    const at::Tensor logits =
        model_.Forward(input.target.inputs, model::Mode::kBatchStatistics).logits;
    const at::Tensor reliable = losses::ReliableSamples(logits, margin_);
    train::StepOutput output;
    output.target_logits = logits.detach();
    if (!reliable.any().item<bool>()) return output;
    const auto nearby = SharpestNearby(losses::EntropyOf(reliable, logits), moving(), rho_);
    const at::Tensor there =
        model_.ForwardWith(nearby, input.target.inputs, model::Mode::kBatchStatistics).logits;
    const at::Tensor kept = reliable.logical_and(losses::ReliableSamples(there, margin_));
    output.values["kept"] = kept.to(at::kDouble).mean().item<double>();
    if (!kept.any().item<bool>()) return output;
    const at::Tensor loss = losses::EntropyOf(kept, there);
    const double value = loss.item<double>();
    average_ = average_ < 0 ? value : kAverageDecay * average_ + (1.0 - kAverageDecay) * value;
    output.values["average_loss"] = average_;
    if (average_ < reset_below_) {
      SetBack();
      output.restart_optimizer = true;
    } else {
      output.loss = loss;
    }
    return output;
  }

 private:
  void SetBack() {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < source_.size(); ++i) moving()[i].tensor.copy_(source_[i]);
    average_ = -1;
    ++resets_;
  }

  const double margin_;  // E0, in nats
  const double rho_;
  const double reset_below_;        // nats
  std::vector<at::Tensor> source_;  // by moving parameter
  double average_ = -1;             // of the loss; negative: none yet
  int64_t resets_ = 0;
};

}  // namespace

MethodEntry Sar() {
  MethodSpec spec;
  spec.name = "sar";
  spec.title = "Sharpness-aware and reliable entropy minimisation (SAR)";
  spec.summary =
      "Minimises the entropy of sure samples through the layers that normalise, at the sharpest "
      "point nearby, and returns to the source's weights when the model becomes too sure: TENT for "
      "small batches, mixed shifts and uneven classes; made for layer and group norm.";
  spec.reference =
      "Niu et al., Towards Stable Test-Time Adaptation in Dynamic Wild World, ICLR (2023)";
  spec.formula =
      "mean over {H_i < E0} of H_i at theta + rho g / ||g||, g the gradient at theta; back to the "
      "source when the loss's moving average is below reset_threshold ln C";
  spec.needs_normalization = true;
  spec.selects_weights = true;
  OptimizationDefaults defaults = TestTimeDefaults();
  defaults.batch_size = 64;
  spec.hyperparameters = Concatenated(
      TestTimeSettings(defaults),
      {PositiveSetting("entropy_margin", "E0 as a share of ln C, the largest entropy", 0.4, 1.0),
       PositiveSetting("rho", "How far away, in weights, the loss is to be flat", 0.05, 100.0),
       RealSetting("reset_threshold",
                   "As a share of ln C; 0.029 is the paper's 0.2 for 1000 classes; 0: never", 0.029,
                   0.0, 1.0),
       RealSetting("frozen_share", "Share of the layers that normalise, from the end, that stay",
                   0.2, 0.0, 0.99)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<SarTask>(context);
          }};
}

}  // namespace acclimate::methods
