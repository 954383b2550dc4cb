// Are the predicted classes apart in the features (Rousseeuw 1987)?
#include "core/selection/clusters.h"
#include "core/selection/validator.h"

namespace acclimate::selection {

Validator SilhouetteValidator() {
  return {"silhouette", ValidatorNeed::kNothing, [](const Sight& sight) {
            return Silhouette(sight.target.features, sight.target.logits);
          }};
}

}  // namespace acclimate::selection
