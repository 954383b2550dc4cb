// Does the nearest class of the source agree with the prediction?
#include "core/selection/domain_weights.h"
#include "core/selection/validator.h"

namespace acclimate::selection {

Validator NearestSourceValidator() {
  return {"nearest_source", ValidatorNeed::kHeldOut, [](const Sight& sight) {
            const Predictions& source = *sight.held_out;
            return NearestSource(source.features, source.labels, sight.target.features,
                                 sight.target.logits);
          }};
}

}  // namespace acclimate::selection
