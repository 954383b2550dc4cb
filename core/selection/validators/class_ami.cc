// Do clusters of the features agree with the predictions (Musgrave et al., 2022)?
#include "core/selection/clusters.h"
#include "core/selection/validator.h"

namespace acclimate::selection {

Validator ClassAmiValidator() {
  return {"class_ami", ValidatorNeed::kNothing,
          [](const Sight& sight) { return ClassAmi(sight.target.features, sight.target.logits); }};
}

}  // namespace acclimate::selection
