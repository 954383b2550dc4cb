// TENT: entropy minimisation through the scale and shift of the layers that normalise.
#include <memory>

#include "core/losses/entropy.h"
#include "core/methods/method.h"
#include "core/methods/source_free/test_time_task.h"

namespace acclimate::methods {
namespace {

class TentTask : public TestTimeTask {
 public:
  explicit TentTask(const MethodContext& context)
      : TestTimeTask(context, NormalizationParameters(context.model)) {}

 protected:
  absl::StatusOr<train::StepOutput> Adapt(const train::StepInput& input) override {
    const at::Tensor logits =
        model_.Forward(input.target.inputs, model::Mode::kBatchStatistics).logits;
    train::StepOutput output;
    output.loss = losses::MeanEntropy(logits);
    output.target_logits = logits.detach();
    return output;
  }
};

}  // namespace

MethodEntry Tent() {
  MethodSpec spec;
  spec.name = "tent";
  spec.title = "Test-time entropy minimisation (TENT)";
  spec.summary =
      "Moves only the scale and shift of batch, layer and group norm, to make the model sure of "
      "itself on the target, one step a batch; then stores the target's statistics. Source-free "
      "and quick.";
  spec.reference = "Wang et al., Tent, ICLR (2021)";
  spec.formula = "mean_i H(softmax(logits_i)) with the statistics of the batch";
  spec.needs_normalization = true;
  spec.selects_weights = true;
  spec.hyperparameters = TestTimeSettings(TestTimeDefaults());
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<TentTask>(context);
          }};
}

}  // namespace acclimate::methods
