// Sure and diverse (Krause et al., NIPS 2010).
#include "core/selection/confidence.h"
#include "core/selection/validator.h"

namespace acclimate::selection {

Validator InformationValidator() {
  return {"information", ValidatorNeed::kNothing,
          [](const Sight& sight) { return MutualInformation(sight.target.logits); }};
}

}  // namespace acclimate::selection
