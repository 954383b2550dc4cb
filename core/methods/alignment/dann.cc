// DANN: features that a domain classifier cannot tell apart.
#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "core/losses/adversarial.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/alignment/alignment.h"
#include "core/methods/alignment/domain_discriminator.h"

namespace acclimate::methods {
namespace {

// Both domains go through the network in one batch: shared batch statistics.
class DannTask : public AlignmentTask {
 public:
  explicit DannTask(const MethodContext& context)
      : AlignmentTask(context),
        discriminator_(context.model.feature_size(),
                       context.settings.Integer("discriminator_width"), context.device) {
    plan_.groups.push_back({discriminator_.Parameters(), 1.0});
  }

  absl::StatusOr<train::StepOutput> Align(const train::StepInput& input) override {
    const int64_t n = input.source.inputs.size(0);
    const model::ForwardResult both = Forward(at::cat({input.source.inputs, input.target.inputs}));
    const at::Tensor lambda = trade_off_ * losses::ReversalSchedule(input.progress);
    const at::Tensor domains =
        discriminator_.Forward(losses::ReverseGradient(both.features, lambda));
    const at::Tensor classification =
        losses::CrossEntropy(both.logits.narrow(0, 0, n), input.source.labels);
    const int64_t m = domains.size(0) - n;
    const at::Tensor source_domains = domains.narrow(0, 0, n);
    const at::Tensor target_domains = domains.narrow(0, n, m);
    const at::Tensor adversarial = losses::DomainAdversarialLoss(source_domains, target_domains);
    train::StepOutput output;
    output.loss = classification + adversarial;
    output.parts = {{"source", classification}, {"domain", adversarial}};
    output.measures = {
        {"lambda", lambda},
        {"domain_accuracy", watch_.SeeDomains(input.progress, source_domains, target_domains)}};
    output.target_logits = both.logits.narrow(0, n, m).detach();
    watch_.SeePredictions(input.progress, output.target_logits, input.source.labels);
    return output;
  }

  train::TensorMap State() const override {
    train::TensorMap state = AlignmentTask::State();
    state.merge(discriminator_.State());
    return state;
  }
  absl::Status Restore(const train::TensorMap& state) override {
    absl::Status status = AlignmentTask::Restore(state);
    status.Update(discriminator_.Restore(state));
    return status;
  }

 private:
  DomainDiscriminator discriminator_;
};

}  // namespace

MethodEntry Dann() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "dann";
  spec.title = "Domain-adversarial training (DANN)";
  spec.summary =
      "Trains on the labelled source while a domain classifier, through a gradient reversal, "
      "teaches the features to look alike in both domains.";
  spec.reference = "Ganin et al., Domain-Adversarial Training, JMLR 17 (2016)";
  spec.formula =
      "min_f,y max_d CE(source) - lambda BCE(d(f), domain), lambda = trade_off (2 / (1 + e^-10p) - "
      "1)";
  spec.hyperparameters.push_back(
      IntegerSetting("discriminator_width",
                     "Units in the two hidden layers of the domain classifier", 1024, 1, 65536));
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<DannTask>(context);
          }};
}

}  // namespace acclimate::methods
