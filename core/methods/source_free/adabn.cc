// AdaBN: weights stay, batch-norm statistics become the target's.
#include <memory>
#include <string>

#include "core/methods/method.h"
#include "core/methods/target_statistics.h"

namespace acclimate::methods {
namespace {

// Schneider et al. (NeurIPS 2020): the source's statistics count as `prior` samples beside those of
// the target.
double ShareOfTarget(double prior, int64_t samples) {
  return static_cast<double>(samples) / (prior + static_cast<double>(samples));
}

constexpr char kOnePass[] = "one_pass";
constexpr char kLayerByLayer[] = "layer_by_layer";

// One step of one pass; or one a layer, since a layer's statistics depend on those before it.
class AdabnTask : public train::Task {
 public:
  explicit AdabnTask(const MethodContext& context)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        alpha_(context.settings.Real("alpha") *
               ShareOfTarget(context.settings.Real("prior_samples"), target_.size())),
        layer_by_layer_(context.settings.Text("statistics") == kLayerByLayer) {
    plan_.total_steps =
        layer_by_layer_ ? static_cast<int64_t>(model_.batch_norm_layers().size()) : 1;
    plan_.steps_per_epoch = plan_.total_steps;
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override {
    absl::Status status = layer_by_layer_
                              ? AdaptLayerStatistics(model_, static_cast<size_t>(input.step),
                                                     target_, device_, alpha_, stop)
                              : AdaptStatistics(model_, target_, device_, alpha_, stop);
    if (!status.ok()) return status;
    train::StepOutput output;
    output.samples = target_.size();
    return output;
  }

 private:
  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const double alpha_;
  const bool layer_by_layer_;
  train::Plan plan_;
};

}  // namespace

MethodEntry Adabn() {
  MethodSpec spec;
  spec.name = "adabn";
  spec.title = "Adaptive batch normalisation (AdaBN)";
  spec.summary =
      "Replaces the statistics of every batch-norm layer by those of the target data and keeps all "
      "weights. Fast and deterministic; a good first try for a change of sensor, lighting or "
      "contrast.";
  spec.reference =
      "Li et al., Revisiting Batch Normalization, arXiv:1603.04779 (2016); Schneider et al., "
      "NeurIPS "
      "(2020)";
  spec.formula =
      "mean = (1 - a) mean_source + a mean_target, a = alpha n / (prior_samples + n) for n target "
      "samples, the same for the variance";
  spec.needs_batch_norm = true;
  spec.selects_weights = true;
  spec.full_precision = true;
  spec.hyperparameters = {
      RealSetting("alpha", "Share of the target's statistics; below 1 for little target data", 1.0,
                  0.0, 1.0),
      RealSetting("prior_samples",
                  "Target samples that the source's statistics count for; 16 suits a handful of "
                  "target samples",
                  0.0, 0.0, 1e9),
      ChoiceSetting("statistics",
                    "one_pass: every layer normalises with the moments of the large batch that it "
                    "sees; layer_by_layer: one pass a layer, exact for any number of samples",
                    kOnePass, {kOnePass, kLayerByLayer})};
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<AdabnTask>(context);
          }};
}

}  // namespace acclimate::methods
