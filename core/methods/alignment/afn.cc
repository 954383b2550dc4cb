// AFN: features of both domains grow step by step to common large norms.
#include <ATen/ATen.h>

#include <memory>

#include "core/losses/cross_entropy.h"
#include "core/losses/feature_norm.h"
#include "core/methods/alignment/alignment.h"

namespace acclimate::methods {
namespace {

at::Tensor MeanNorm(const at::Tensor& features) { return features.detach().norm(2, 1).mean(); }

// The loss of the norms has a constant value, so the norms themselves are reported.
class AfnTask : public AlignmentTask {
 public:
  explicit AfnTask(const MethodContext& context)
      : AlignmentTask(context), norm_step_(context.settings.Real("norm_step")) {}

  absl::StatusOr<train::StepOutput> Align(const train::StepInput& input) override {
    const model::ForwardResult source = Forward(input.source.inputs);
    const model::ForwardResult target = Forward(input.target.inputs);
    const at::Tensor classification = losses::CrossEntropy(source.logits, input.source.labels);
    const at::Tensor norms = losses::StepwiseFeatureNorm(source.features, norm_step_) +
                             losses::StepwiseFeatureNorm(target.features, norm_step_);
    train::StepOutput output;
    output.loss = classification + trade_off_ * norms;
    output.parts = {{"source", classification}};
    output.measures = {{"source_feature_norm", MeanNorm(source.features)},
                       {"target_feature_norm", MeanNorm(target.features)}};
    output.target_logits = target.logits.detach();
    watch_.SeePredictions(input.progress, output.target_logits, input.source.labels);
    return output;
  }

 private:
  const double norm_step_;
};

}  // namespace

MethodEntry Afn() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/0.05);
  spec.name = "afn";
  spec.title = "Adaptive feature norm (AFN)";
  spec.summary =
      "Trains on the labelled source while the features of both domains grow in length, step by "
      "step. Light, with no kernel and no discriminator; for targets whose features are weak.";
  spec.reference = "Xu et al., Larger Norm More Transferable, ICCV (2019)";
  spec.formula =
      "CE(source) + trade_off sum over both domains of mean_i (||f_i|| - (held ||f_i|| + "
      "norm_step))^2";
  spec.hyperparameters.push_back(PositiveSetting(
      "norm_step", "How far beyond its length a feature vector is pulled", 1.0, 1e6));
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<AfnTask>(context);
          }};
}

}  // namespace acclimate::methods
