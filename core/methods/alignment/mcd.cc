// MCD: two classifiers seek where they disagree on the target; the features move away from there.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <vector>

#include "core/losses/adversarial.h"
#include "core/losses/classifier_discrepancy.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/alignment/alignment.h"
#include "core/methods/alignment/perceptron.h"

namespace acclimate::methods {
namespace {

// While it lives, what is computed with the parameters gives them no gradient.
class Frozen {
 public:
  explicit Frozen(const std::vector<train::NamedParameter>& parameters) : parameters_(parameters) {
    for (const train::NamedParameter& parameter : parameters_) {
      parameter.tensor.requires_grad_(false);
    }
  }
  ~Frozen() {
    for (const train::NamedParameter& parameter : parameters_) {
      parameter.tensor.requires_grad_(true);
    }
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  const std::vector<train::NamedParameter>& parameters_;
};

// The three steps of the paper, each a step of the loop with batches of its own; a parameter that
// gets no gradient in a step keeps its momentum for the next, as under an optimiser of its own.
class McdTask : public AlignmentTask {
 public:
  explicit McdTask(const MethodContext& context)
      : AlignmentTask(context),
        feature_steps_(context.settings.Integer("feature_steps")),
        second_head_("second_head", {context.model.feature_size(), context.model.num_classes()},
                     Perceptron::Norm::kNone, context.device) {
    plan_.groups.push_back({second_head_.Parameters(), 1.0});
    for (const model::Parameter& parameter : model_.parameters()) {
      if (parameter.head) heads_.push_back({parameter.name, parameter.tensor});
    }
    for (const train::NamedParameter& parameter : second_head_.Parameters()) {
      heads_.push_back(parameter);
    }
  }

  absl::StatusOr<train::StepOutput> Align(const train::StepInput& input) override {
    const int phase = KindOf(input.step);
    if (phase == kLearn) return LearnSource(input.source);
    train::StepOutput output =
        phase == kDisagree ? Disagree(input)
                           : Agree(input, trade_off_ * losses::ReversalSchedule(input.progress));
    watch_.SeePredictions(input.progress, output.target_logits, input.source.labels);
    return output;
  }

  int KindOf(int64_t step) const override {
    return static_cast<int>(std::min<int64_t>(step % (2 + feature_steps_), kAgree));
  }

  train::TensorMap State() const override {
    train::TensorMap state = AlignmentTask::State();
    state.merge(second_head_.State());
    return state;
  }
  absl::Status Restore(const train::TensorMap& state) override {
    absl::Status status = AlignmentTask::Restore(state);
    status.Update(second_head_.Restore(state));
    return status;
  }

 private:
  enum { kLearn, kDisagree, kAgree };

  struct Logits {
    at::Tensor first, second;
  };

  // Everything learns the source: the one step whose loss sdat makes smooth.
  train::StepOutput LearnSource(const data::Batch& source) {
    const model::ForwardResult result = Forward(source.inputs);
    return SourceLoss({result.logits, second_head_.Forward(result.features)}, source.labels);
  }

  // The heads disagree on the target, and stay right on the source.
  train::StepOutput Disagree(const train::StepInput& input) {
    const Logits source = OfHeadsAlone(input.source.inputs);
    const Logits target = OfHeadsAlone(input.target.inputs);
    train::StepOutput output = SourceLoss(source, input.source.labels);
    const at::Tensor discrepancy = losses::ClassifierDiscrepancy(target.first, target.second);
    output.loss = output.loss - trade_off_ * discrepancy;
    output.parts["discrepancy"] = discrepancy;
    output.target_logits = target.first.detach();
    return output;
  }

  // The features take from the heads what they disagree about.
  train::StepOutput Agree(const train::StepInput& input, const at::Tensor& lambda) {
    const Frozen frozen(heads_);
    const model::ForwardResult target = model_.Forward(input.target.inputs, model::Mode::kTraining);
    const at::Tensor discrepancy =
        losses::ClassifierDiscrepancy(target.logits, second_head_.Forward(target.features));
    train::StepOutput output;
    output.loss = lambda * discrepancy;
    output.parts = {{"discrepancy", discrepancy}};
    output.measures = {{"lambda", lambda}};
    output.target_logits = target.logits.detach();
    return output;
  }

  static train::StepOutput SourceLoss(const Logits& logits, const at::Tensor& labels) {
    const at::Tensor first = losses::CrossEntropy(logits.first, labels);
    const at::Tensor second = losses::CrossEntropy(logits.second, labels);
    train::StepOutput output;
    output.loss = first + second;
    output.parts = {{"source", first}, {"second_head", second}};
    return output;
  }

  Logits OfHeadsAlone(const at::Tensor& inputs) {
    at::Tensor features;
    {
      const at::NoGradGuard no_grad;
      features = model_.Forward(inputs, model::Mode::kTraining).features;
    }
    return {model_.ClassifyFeatures(features), second_head_.Forward(features)};
  }

  const int64_t feature_steps_;
  Perceptron second_head_;
  std::vector<train::NamedParameter> heads_;  // the parameters of both
};

}  // namespace

MethodEntry Mcd() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "mcd";
  spec.title = "Maximum classifier discrepancy (MCD)";
  spec.summary =
      "Two heads learn the source and are driven to disagree on the target; the features are "
      "driven to leave them nothing to disagree about. The adapted model keeps its own head.";
  spec.reference = "Saito et al., Maximum Classifier Discrepancy, CVPR (2018)";
  spec.formula =
      "in turn: min_f,h,h' CE(source); min_h,h' CE(source) - trade_off D(f_t); feature_steps times "
      "min_f lambda D(f_t), D = mean |softmax(h) - softmax(h')|, lambda = trade_off (2 / (1 + "
      "e^-10p) - 1)";
  for (HyperparameterSpec& hyperparameter : spec.hyperparameters) {
    // A turn is 2 + feature_steps steps, most of them over one domain only.
    if (hyperparameter.name == "steps") hyperparameter.default_value = int64_t{4000};
  }
  spec.hyperparameters.push_back(
      IntegerSetting("feature_steps", "Steps of the features in each turn", 4, 1, 1000));
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<McdTask>(context);
          }};
}

}  // namespace acclimate::methods
