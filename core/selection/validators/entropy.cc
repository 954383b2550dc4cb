// How sure (Morerio et al., ICLR 2018).
#include "core/selection/confidence.h"
#include "core/selection/validator.h"

namespace acclimate::selection {

Validator EntropyValidator() {
  return {"entropy", ValidatorNeed::kNothing,
          [](const Sight& sight) { return NegativeEntropy(sight.target.logits); }};
}

}  // namespace acclimate::selection
