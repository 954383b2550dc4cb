// Accuracy on held-out samples of the source.
#include <ATen/ATen.h>

#include "core/selection/validator.h"

namespace acclimate::selection {

Validator SourceAccuracyValidator() {
  return {"source_accuracy", ValidatorNeed::kHeldOut, [](const Sight& sight) {
            const Predictions& source = *sight.held_out;
            return source.logits.argmax(1).eq(source.labels).to(at::kDouble).mean().item<double>();
          }};
}

}  // namespace acclimate::selection
