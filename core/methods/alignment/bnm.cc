// BNM: predictions on the target that are sure and diverse, by their nuclear norm.
#include "core/losses/nuclear_norm.h"
#include "core/methods/alignment/alignment.h"

namespace acclimate::methods {

MethodEntry Bnm() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "bnm";
  spec.title = "Batch nuclear-norm maximisation (BNM)";
  spec.summary =
      "Trains on the labelled source while the nuclear norm of the target's predictions is made "
      "large, which makes them sure without giving up rare classes. Light; aligns no features.";
  spec.reference = "Cui et al., Towards Discriminability and Diversity, CVPR (2020)";
  spec.formula = "CE(source) - trade_off ||softmax(logits_t)||_* / N";
  return {spec, [](const MethodContext& context) {
            return MakeAlignmentTask(
                context, "nuclear_norm",
                [](const model::ForwardResult&, const model::ForwardResult& target) {
                  return losses::BatchNuclearNorm(target.logits);
                },
                Recording::kImpossible);
          }};
}

}  // namespace acclimate::methods
