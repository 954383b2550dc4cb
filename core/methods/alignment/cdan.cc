// CDAN: features and predictions together that a domain classifier cannot tell apart.
#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>

#include "core/losses/adversarial.h"
#include "core/losses/conditioning.h"
#include "core/losses/cross_entropy.h"
#include "core/losses/entropy.h"
#include "core/methods/alignment/alignment.h"
#include "core/methods/alignment/domain_discriminator.h"

namespace acclimate::methods {
namespace {

// Long et al. 2018: the outer product up to here, the randomised one beyond.
constexpr int64_t kLargestOuterProduct = 4096;
constexpr int64_t kRandomizedWidth = 1024;

constexpr char kFeatureProjection[] = "conditioning.features";
constexpr char kPredictionProjection[] = "conditioning.predictions";

bool UsesRandomizedProduct(const MethodContext& context) {
  const std::string& choice = context.settings.Text("randomized");
  if (choice != "auto") return choice == "always";
  return context.model.feature_size() * context.model.num_classes() > kLargestOuterProduct;
}

int64_t ConditionedSize(const MethodContext& context) {
  return UsesRandomizedProduct(context)
             ? kRandomizedWidth
             : context.model.feature_size() * context.model.num_classes();
}

at::Tensor Find(const train::TensorMap& state, const std::string& name) {
  const auto it = state.find(name);
  return it == state.end() ? at::Tensor() : it->second;
}

// Both domains go through the network in one batch: shared batch statistics.
class CdanTask : public AlignmentTask {
 public:
  explicit CdanTask(const MethodContext& context)
      : AlignmentTask(context),
        entropy_weights_(context.settings.Flag("entropy_weights")),
        discriminator_(ConditionedSize(context), context.settings.Integer("discriminator_width"),
                       context.device) {
    plan_.groups.push_back({discriminator_.Parameters(), 1.0});
    if (UsesRandomizedProduct(context)) {
      feature_projection_ =
          at::randn({context.model.feature_size(), kRandomizedWidth}).to(context.device);
      prediction_projection_ =
          at::randn({context.model.num_classes(), kRandomizedWidth}).to(context.device);
    }
  }

  absl::StatusOr<train::StepOutput> Align(const train::StepInput& input) override {
    const int64_t n = input.source.inputs.size(0), m = input.target.inputs.size(0);
    const model::ForwardResult both = Forward(at::cat({input.source.inputs, input.target.inputs}));
    const at::Tensor lambda = trade_off_ * losses::ReversalSchedule(input.progress);
    const at::Tensor domains = discriminator_.Forward(
        Condition(losses::ReverseGradient(both.features, lambda), both.logits.detach().softmax(1)));
    const at::Tensor source_logits = both.logits.narrow(0, 0, n);
    const at::Tensor target_logits = both.logits.narrow(0, n, m).detach();
    const at::Tensor source_domains = domains.narrow(0, 0, n);
    const at::Tensor target_domains = domains.narrow(0, n, m);
    const at::Tensor classification = losses::CrossEntropy(source_logits, input.source.labels);
    const at::Tensor adversarial = losses::DomainAdversarialLoss(
        source_domains, target_domains, Weights(source_logits), Weights(target_logits));
    train::StepOutput output;
    output.loss = classification + adversarial;
    output.parts = {{"source", classification}, {"domain", adversarial}};
    output.measures = {
        {"lambda", lambda},
        {"domain_accuracy", watch_.SeeDomains(input.progress, source_domains, target_domains)}};
    output.target_logits = target_logits;
    watch_.SeePredictions(input.progress, target_logits, input.source.labels);
    return output;
  }

  train::TensorMap State() const override {
    train::TensorMap state = AlignmentTask::State();
    state.merge(discriminator_.State());
    if (feature_projection_.defined()) {
      state[kFeatureProjection] = feature_projection_;
      state[kPredictionProjection] = prediction_projection_;
    }
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    absl::Status status = AlignmentTask::Restore(state);
    status.Update(discriminator_.Restore(state));
    if (!status.ok() || !feature_projection_.defined()) return status;
    const at::Tensor features = Find(state, kFeatureProjection);
    const at::Tensor predictions = Find(state, kPredictionProjection);
    if (!features.defined() || features.sizes() != feature_projection_.sizes() ||
        !predictions.defined() || predictions.sizes() != prediction_projection_.sizes()) {
      return absl::InvalidArgumentError("training state: no fitting random projections");
    }
    feature_projection_.copy_(features);
    prediction_projection_.copy_(predictions);
    return absl::OkStatus();
  }

 private:
  at::Tensor Condition(const at::Tensor& features, const at::Tensor& predictions) const {
    if (!feature_projection_.defined()) return losses::OuterProduct(features, predictions);
    return losses::RandomizedProduct(features, predictions, feature_projection_,
                                     prediction_projection_);
  }

  at::Tensor Weights(const at::Tensor& logits) const {
    return entropy_weights_ ? losses::EntropyWeights(logits) : at::Tensor();
  }

  const bool entropy_weights_;
  DomainDiscriminator discriminator_;
  at::Tensor feature_projection_, prediction_projection_;  // undefined: the outer product
};

}  // namespace

MethodEntry Cdan() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "cdan";
  spec.title = "Conditional domain-adversarial training (CDAN)";
  spec.summary =
      "dann whose domain classifier sees features and predictions together, so that classes are "
      "aligned with classes; samples with sure predictions count more (CDAN+E).";
  spec.reference = "Long et al., Conditional Adversarial Domain Adaptation, NeurIPS (2018)";
  spec.formula =
      "min_f,y max_d CE(source) - lambda w BCE(d(f (x) g), domain), g = softmax(logits) held, w = "
      "1 "
      "+ e^-H(g) normalised, lambda = trade_off (2 / (1 + e^-10p) - 1)";
  spec.hyperparameters = Concatenated(
      std::move(spec.hyperparameters),
      {FlagSetting("entropy_weights", "Let samples with sure predictions count more", true),
       ChoiceSetting("randomized",
                     "Project the outer product at random: auto does so above 4096 entries", "auto",
                     {"auto", "always", "never"}),
       IntegerSetting("discriminator_width",
                      "Units in the two hidden layers of the domain classifier", 1024, 1, 65536)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<CdanTask>(context);
          }};
}

}  // namespace acclimate::methods
