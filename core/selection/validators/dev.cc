// The risk at home, reweighted to the target (You et al., ICML 2019).
#include <ATen/ATen.h>

#include "core/selection/domain_weights.h"
#include "core/selection/validator.h"

namespace acclimate::selection {

Validator DevValidator() {
  return {"dev", ValidatorNeed::kHeldOut, [](const Sight& sight) {
            const Predictions& source = *sight.held_out;
            const at::Tensor wrong = source.logits.argmax(1).ne(source.labels).to(at::kDouble);
            return DeepEmbeddedValidation(DensityRatios(source.features, sight.target.features),
                                          wrong);
          }};
}

}  // namespace acclimate::selection
