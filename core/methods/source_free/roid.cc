// ROID: sure and diverse predictions through the layers that normalise, tied to the source's
// weights, and agreement between a sample and its view.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/losses/diversity_weights.h"
#include "core/losses/soft_likelihood_ratio.h"
#include "core/losses/symmetric_cross_entropy.h"
#include "core/methods/perturbations.h"
#include "core/methods/source_free/test_time_task.h"

namespace acclimate::methods {
namespace {

constexpr char kRoidMean[] = "mean_prediction";
constexpr double kRoidMeanDecay = 0.9;

class RoidTask : public TestTimeTask {
 public:
  explicit RoidTask(const MethodContext& context)
      : TestTimeTask(context, NormalizationParameters(context.model)),
        temperature_(context.settings.Real("temperature")),
        source_momentum_(context.settings.Real("source_momentum")),
        consistency_(context.settings.Flag("consistency")),
        prior_correction_(context.settings.Flag("prior_correction")),
        mean_(at::full({model_.num_classes()}, 1.0 / static_cast<double>(model_.num_classes()),
                       at::TensorOptions(device_))) {
    views_.flip = context.settings.Flag("flip");
    views_ = ViewsOf(context.target, views_);
    for (const train::NamedParameter& parameter : moving()) {
      source_.push_back(parameter.tensor.detach().clone());
    }
  }

  // Weight ensembling.
  void AfterStep(int64_t /*steps_done*/) override {
    if (halted()) return;
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < source_.size(); ++i) {
      moving()[i].tensor.mul_(source_momentum_).add_(source_[i], 1.0 - source_momentum_);
    }
  }

  train::TensorMap State() const override {
    train::TensorMap state = TestTimeTask::State();
    state[kRoidMean] = mean_;
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    if (absl::Status status = TestTimeTask::Restore(state); !status.ok()) return status;
    return train::CopyInto({{kRoidMean, mean_}}, state);
  }

 protected:
  absl::StatusOr<train::StepOutput> Adapt(const train::StepInput& input) override {
    const auto mode = model::Mode::kBatchStatistics;
    const at::Tensor logits = model_.Forward(input.target.inputs, mode).logits;
    const at::Tensor weights = losses::DiversityWeights(logits, mean_, temperature_);
    mean_.copy_(kRoidMeanDecay * mean_ +
                (1.0 - kRoidMeanDecay) * logits.detach().softmax(1).mean(0));
    const at::Tensor certainty = (weights * losses::SoftLikelihoodRatio(logits)).mean();
    train::StepOutput output;
    output.loss = certainty;
    output.parts["certainty"] = certainty;
    if (consistency_) {
      // Of the whole batch, so that batch norm sees what it saw before; the authors' code leaves
      // out the samples without weight.
      const at::Tensor view = model_.Forward(Perturbed(input.target.inputs, views_), mode).logits;
      const at::Tensor consistency = (weights * losses::SymmetricCrossEntropy(view, logits)).mean();
      output.loss = certainty + consistency;
      output.parts["consistency"] = consistency;
    }
    output.measures["kept"] = weights.gt(0).to(at::kDouble).mean();
    output.target_logits = logits.detach();
    return output;
  }

  // Prior correction. Scaled by C, so that even shares leave the logits as they are; the class that
  // comes first does not depend on it.
  at::Tensor Answer(const at::Tensor& logits) const override {
    if (!prior_correction_) return logits;
    const double samples = static_cast<double>(logits.size(0));
    const double classes = static_cast<double>(logits.size(1));
    const at::Tensor prior = logits.softmax(1).mean(0);
    const at::Tensor smoothing = std::max(1 / samples, 1 / classes) / prior.max();
    return logits * (classes * (prior + smoothing) / (1 + smoothing * classes));
  }

 private:
  const double temperature_, source_momentum_;
  const bool consistency_, prior_correction_;
  PerturbationOptions views_;
  std::vector<at::Tensor> source_;  // by moving parameter
  at::Tensor mean_;                 // [C]: of the predictions so far
};

}  // namespace

MethodEntry Roid() {
  MethodSpec spec;
  spec.name = "roid";
  spec.title = "Robust test-time adaptation by weight ensembling (ROID)";
  spec.summary =
      "Makes the model sure of samples that are unlike those before, and of their augmented views, "
      "through the scale and shift of batch, layer and group norm, which stay tied to the source's "
      "weights. The method to take first at test time.";
  spec.reference = "Marsden et al., Universal Test-time Adaptation, WACV (2024)";
  spec.formula =
      "mean_i w_i (SLR_i + SCE(view_i, i)), SLR = -sum_c p_c log(p_c / (1 - p_c)), w_i = exp(d_i "
      "c_i / temperature) where d_i >= mean d, d = 1 - cos(mean p, p_i), c = -H(p_i), both scaled "
      "to [0, 1]; then theta <- source_momentum theta + (1 - source_momentum) theta_source";
  spec.needs_normalization = true;
  spec.selects_weights = true;
  spec.hyperparameters = Concatenated(
      TestTimeSettings(TestTimeDefaults()),
      {PositiveSetting("temperature", "Of the weights of the samples; smaller prefers fewer",
                       1.0 / 3.0, 100.0),
       RealSetting("source_momentum",
                   "What is kept of the weights after a step; the rest are the "
                   "source's",
                   0.99, 0.0, 1.0),
       FlagSetting("consistency", "Ask for agreement with an augmented view too", true),
       FlagSetting("prior_correction",
                   "Weigh the answers to a batch by its class shares; the returned model is not "
                   "touched by it",
                   true),
       FlagSetting("flip", "Mirror images left-right among the views; not for digits or writing",
                   false)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<RoidTask>(context);
          }};
}

}  // namespace acclimate::methods
