// MDD: features on which no second classifier can disagree with the first in the target only.
#include <ATen/ATen.h>

#include <memory>
#include <utility>

#include "core/losses/adversarial.h"
#include "core/losses/cross_entropy.h"
#include "core/losses/margin_disparity.h"
#include "core/methods/alignment/alignment.h"
#include "core/methods/alignment/perceptron.h"

namespace acclimate::methods {
namespace {

// Both domains go through the network in one batch: shared batch statistics.
class MddTask : public AlignmentTask {
 public:
  explicit MddTask(const MethodContext& context)
      : AlignmentTask(context),
        margin_(context.settings.Real("margin")),
        adversary_("adversary",
                   {context.model.feature_size(), context.settings.Integer("adversary_width"),
                    context.model.num_classes()},
                   Perceptron::Norm::kNone, context.device) {
    plan_.groups.push_back({adversary_.Parameters(), 1.0});
  }

  absl::StatusOr<train::StepOutput> Align(const train::StepInput& input) override {
    const int64_t n = input.source.inputs.size(0), m = input.target.inputs.size(0);
    const model::ForwardResult both = Forward(at::cat({input.source.inputs, input.target.inputs}));
    const at::Tensor lambda = trade_off_ * losses::ReversalSchedule(input.progress);
    const at::Tensor adversary = adversary_.Forward(losses::ReverseGradient(both.features, lambda));
    const at::Tensor classification =
        losses::CrossEntropy(both.logits.narrow(0, 0, n), input.source.labels);
    const at::Tensor disparity =
        losses::MarginDisparity({both.logits.narrow(0, 0, n), adversary.narrow(0, 0, n)},
                                {both.logits.narrow(0, n, m), adversary.narrow(0, n, m)}, margin_);
    train::StepOutput output;
    output.loss = classification + disparity;
    output.parts = {{"source", classification}, {"disparity", disparity}};
    output.measures = {{"lambda", lambda}};
    output.target_logits = both.logits.narrow(0, n, m).detach();
    watch_.SeePredictions(input.progress, output.target_logits, input.source.labels);
    return output;
  }

  train::TensorMap State() const override {
    train::TensorMap state = AlignmentTask::State();
    state.merge(adversary_.State());
    return state;
  }
  absl::Status Restore(const train::TensorMap& state) override {
    absl::Status status = AlignmentTask::Restore(state);
    status.Update(adversary_.Restore(state));
    return status;
  }

 private:
  const double margin_;
  Perceptron adversary_;
};

}  // namespace

MethodEntry Mdd() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/0.1);
  spec.name = "mdd";
  spec.title = "Margin disparity discrepancy (MDD)";
  spec.summary =
      "Trains on the labelled source while an adversarial second classifier, which agrees with the "
      "first on the source and contradicts it on the target, is left no features to do so.";
  spec.reference = "Zhang et al., Bridging Theory and Algorithm for Domain Adaptation, ICML (2019)";
  spec.formula =
      "min_f,h max_h' CE(source) - lambda (margin CE(h'(f_s), argmax h(f_s)) - log(1 - "
      "softmax(h'(f_t))[argmax h(f_t)])), lambda = trade_off (2 / (1 + e^-10p) - 1)";
  spec.hyperparameters = Concatenated(
      std::move(spec.hyperparameters),
      {PositiveSetting("margin", "Weight of the agreement on the source", 4.0, 100.0),
       IntegerSetting("adversary_width", "Units in the hidden layer of the second classifier", 1024,
                      1, 65536)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<MddTask>(context);
          }};
}

}  // namespace acclimate::methods
