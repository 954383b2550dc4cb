// MCC: predictions on the target that mix up few classes.
#include "core/losses/class_confusion.h"
#include "core/methods/alignment/alignment.h"

namespace acclimate::methods {

MethodEntry Mcc() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "mcc";
  spec.title = "Minimum class confusion (MCC)";
  spec.summary =
      "Trains on the labelled source while the confusion between classes in the target's "
      "predictions is made small. Light and often strong; aligns no features.";
  spec.reference = "Jin et al., Minimum Class Confusion, ECCV (2020)";
  spec.formula =
      "CE(source) + trade_off (1 / C) sum_j sum_k!=j C_jk / sum_l C_jl, C = Y' W Y, Y = "
      "softmax(logits_t / temperature), W = entropy weights";
  spec.hyperparameters.push_back(PositiveSetting(
      "temperature", "Divides the target's logits before the confusion", 2.5, 1000.0));
  return {spec, [](const MethodContext& context) {
            const double temperature = context.settings.Real("temperature");
            return MakeAlignmentTask(
                context, "confusion",
                [temperature](const model::ForwardResult&, const model::ForwardResult& target) {
                  return losses::ClassConfusion(target.logits, temperature);
                });
          }};
}

}  // namespace acclimate::methods
