// DANN with several sources: a domain classifier for each, and the sources weighed by how bad their
// bounds on the target's error are.
#include <ATen/ATen.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/losses/adversarial.h"
#include "core/losses/cross_entropy.h"
#include "core/losses/source_weights.h"
#include "core/methods/alignment/alignment.h"
#include "core/methods/alignment/domain_discriminator.h"

namespace acclimate::methods {
namespace {

constexpr double kSharpness = 10.0;  // gamma of the authors' code (Zhao et al. 2018)

constexpr char kWeightSums[] = "source_weights";

// All domains go through the network in one batch: shared batch statistics.
class MultiSourceDannTask : public AlignmentTask {
 public:
  explicit MultiSourceDannTask(const MethodContext& context)
      : AlignmentTask(context), sharpness_(context.settings.Real("sharpness")) {
    for (size_t k = 0; k < context.sources.size(); ++k) {
      discriminators_.push_back(std::make_unique<DomainDiscriminator>(
          context.model.feature_size(), context.settings.Integer("discriminator_width"),
          context.device, absl::StrCat("discriminator.", k)));
      plan_.groups.push_back({discriminators_.back()->Parameters(), 1.0});
    }
    weight_sums_ =
        at::zeros({Sources() + 1}, at::TensorOptions(at::kDouble).device(context.device));
  }

  absl::StatusOr<train::StepOutput> Align(const train::StepInput& input) override {
    const int64_t n = input.source.inputs.size(0), m = input.target.inputs.size(0);
    const model::ForwardResult all = Forward(at::cat({input.source.inputs, input.target.inputs}));
    const at::Tensor lambda = trade_off_ * losses::ReversalSchedule(input.progress);
    const at::Tensor classifications =
        Classifications(all.logits.narrow(0, 0, n), input.source.labels, input.source_counts);
    // The domains' losses come before the weights that scale what they send to the features.
    const at::Tensor weights = at::empty_like(classifications).detach();
    const Domains domains = TellApart(input, all.features, lambda, weights);
    weights.copy_(losses::SourceWeights(classifications - lambda * domains.losses, sharpness_));
    const at::Tensor classification = (weights * classifications).sum();
    const at::Tensor adversarial = domains.losses.sum();
    train::StepOutput output;
    output.loss = classification + adversarial;
    output.parts = {{"source", classification}, {"domain", adversarial}};
    output.measures = {{"lambda", lambda}, {"domain_accuracy", domains.accuracy}};
    CountWeights(weights, output);
    output.target_logits = all.logits.narrow(0, n, m).detach();
    watch_.SeePredictions(input.progress, output.target_logits, input.source.labels);
    return output;
  }

  train::TensorMap State() const override {
    train::TensorMap state = AlignmentTask::State();
    for (const auto& discriminator : discriminators_) state.merge(discriminator->State());
    state[kWeightSums] = weight_sums_.clone();
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    absl::Status status = AlignmentTask::Restore(state);
    for (const auto& discriminator : discriminators_) status.Update(discriminator->Restore(state));
    const auto sums = state.find(kWeightSums);
    if (sums == state.end() || sums->second.sizes() != weight_sums_.sizes()) {
      status.Update(
          absl::InvalidArgumentError("training state: no fitting weights of the sources"));
    }
    if (status.ok()) weight_sums_.copy_(sums->second);
    return status;
  }

  void Report(nlohmann::json& report) const override {
    AlignmentTask::Report(report);
    std::vector<double> weights;
    const double steps = weight_sums_[Sources()].item<double>();
    for (int64_t k = 0; steps > 0 && k < Sources(); ++k) {
      weights.push_back(weight_sums_[k].item<double>() / steps);
    }
    report["multi_source_dann"] = {{"source_weights", weights}};
  }

 private:
  struct Domains {
    at::Tensor losses;    // [K]: how badly source k is told from the target
    at::Tensor accuracy;  // of the domain classifiers, their mean
  };

  int64_t Sources() const { return static_cast<int64_t>(discriminators_.size()); }

  // CE of each source: [K].
  static at::Tensor Classifications(const at::Tensor& logits, const at::Tensor& labels,
                                    const std::vector<int64_t>& counts) {
    const std::vector<at::Tensor> logits_of = logits.split_with_sizes(counts);
    const std::vector<at::Tensor> labels_of = labels.split_with_sizes(counts);
    std::vector<at::Tensor> terms;
    for (size_t k = 0; k < counts.size(); ++k) {
      terms.push_back(losses::CrossEntropy(logits_of[k], labels_of[k]));
    }
    return at::stack(terms);
  }

  // Discriminator k learns at full weight; the features get -lambda weights[k] times its gradient,
  // with the weights as they are when the gradient comes.
  Domains TellApart(const train::StepInput& input, const at::Tensor& features,
                    const at::Tensor& lambda, const at::Tensor& weights) {
    std::vector<int64_t> counts = input.source_counts;
    counts.push_back(input.target.inputs.size(0));
    const std::vector<at::Tensor> features_of = features.split_with_sizes(counts);
    Domains domains;
    std::vector<at::Tensor> terms, accuracies;
    for (int64_t k = 0; k < Sources(); ++k) {
      const at::Tensor reversed = losses::ReverseGradient(
          at::cat({features_of[static_cast<size_t>(k)], features_of.back()}), lambda);
      if (reversed.requires_grad()) {
        reversed.register_hook(
            [weights, k](const at::Tensor& gradient) { return gradient * weights[k]; });
      }
      const at::Tensor logits = discriminators_[static_cast<size_t>(k)]->Forward(reversed);
      const int64_t n = counts[static_cast<size_t>(k)];
      const at::Tensor source = logits.narrow(0, 0, n);
      const at::Tensor target = logits.narrow(0, n, counts.back());
      terms.push_back(losses::DomainAdversarialLoss(source, target));
      accuracies.push_back(watch_.SeeDomains(input.progress, source, target));
    }
    domains.losses = at::stack(terms);
    domains.accuracy = at::stack(accuracies).mean();
    return domains;
  }

  void CountWeights(const at::Tensor& weights, train::StepOutput& output) {
    const at::Tensor counted = weights.to(at::kDouble);
    weight_sums_.narrow(0, 0, Sources()).add_(counted);
    weight_sums_[Sources()].add_(1);
    for (int64_t k = 0; k < Sources(); ++k) {
      output.measures[absl::StrCat("source_weight/", k)] = counted[k];
    }
  }

  const double sharpness_;
  std::vector<std::unique_ptr<DomainDiscriminator>> discriminators_;  // by source
  at::Tensor weight_sums_;  // double [K + 1]: the weights over the steps, and the steps
};

}  // namespace

MethodEntry MultiSourceDann() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "multi_source_dann";
  spec.title = "Domain-adversarial training with several sources (MDAN)";
  spec.summary =
      "dann with a domain classifier for each source. A source that is classified badly or is far "
      "from the target counts more, so that the worst of the sources' bounds falls. With one "
      "source it is dann.";
  spec.reference =
      "Zhao et al., Adversarial Multiple Source Domain Adaptation, NeurIPS (2018); Ganin et al., "
      "JMLR 17 (2016)";
  spec.formula =
      "min_f,y (1 / sharpness) log sum_k exp(sharpness (CE_k - lambda min_d_k BCE(d_k(f), source k "
      "or target))), lambda = trade_off (2 / (1 + e^-10p) - 1)";
  spec.hyperparameters = Concatenated(
      std::move(spec.hyperparameters),
      {RealSetting("sharpness",
                   "How much more the worst source counts than the others; 0: all alike",
                   kSharpness, 0.0, 1e6),
       IntegerSetting("discriminator_width",
                      "Units in the two hidden layers of each domain classifier", 1024, 1, 65536)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<MultiSourceDannTask>(context);
          }};
}

}  // namespace acclimate::methods
