// Sure and diverse, by singular values (Cui et al., CVPR 2020).
#include "core/selection/confidence.h"
#include "core/selection/validator.h"

namespace acclimate::selection {

Validator NuclearNormValidator() {
  return {"nuclear_norm", ValidatorNeed::kNothing,
          [](const Sight& sight) { return NuclearNorm(sight.target.logits); }};
}

}  // namespace acclimate::selection
