#include "core/losses/source_weights.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor SourceWeights(const at::Tensor& values, double sharpness) {
  return (values.detach() * sharpness).softmax(0);
}

}  // namespace acclimate::losses
