// Deep CORAL: the covariances of the features brought together.
#include "core/losses/coral.h"
#include "core/methods/alignment/alignment.h"

namespace acclimate::methods {

MethodEntry DeepCoral() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "deep_coral";
  spec.title = "Deep CORAL";
  spec.summary =
      "Trains on the labelled source while the covariances of source and target features are "
      "brought together.";
  spec.reference = "Sun & Saenko, Deep CORAL, ECCV workshops (2016)";
  spec.formula = "CE(source) + trade_off ||C_s - C_t||_F^2 / (4 d^2)";
  return {spec, [](const MethodContext& context) {
            return MakeAlignmentTask(
                context, "discrepancy",
                [](const model::ForwardResult& source, const model::ForwardResult& target) {
                  return losses::DeepCoral(source.features, target.features);
                });
          }};
}

}  // namespace acclimate::methods
