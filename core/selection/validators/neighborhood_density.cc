// Soft neighbourhood density (Saito et al., ICCV 2021).
#include "core/selection/neighborhood_density.h"
#include "core/selection/validator.h"

namespace acclimate::selection {

Validator NeighborhoodValidator() {
  return {"neighborhood_density", ValidatorNeed::kNothing,
          [](const Sight& sight) { return NeighborhoodDensity(sight.target.logits); }};
}

}  // namespace acclimate::selection
