// MixVal between classes (Hu et al., "Mixed samples as probes for unsupervised model selection",
// NeurIPS 2023): the share of mixtures 0.55 x_i + 0.45 x_j, of samples that the model says
// different classes of, whose prediction is that of x_i. A model with no margin between its classes
// has few.
#include <ATen/ATen.h>

#include "core/selection/validator.h"

namespace acclimate::selection {

Validator MixValidator() {
  return {"mixed_samples", ValidatorNeed::kMixtures, [](const Sight& sight) {
            const Mixtures& mixtures = *sight.mixtures;
            return mixtures.logits.argmax(1)
                .eq(mixtures.dominant)
                .to(at::kDouble)
                .mean()
                .item<double>();
          }};
}

}  // namespace acclimate::selection
