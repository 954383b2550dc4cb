#include "core/losses/feature_norm.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor StepwiseFeatureNorm(const at::Tensor& features, double step) {
  const at::Tensor norms = features.norm(2, 1);
  return (norms - (norms.detach() + step)).square().mean();
}

}  // namespace acclimate::losses
