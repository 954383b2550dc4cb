// Where a loss is highest near the weights, to first order: the ascent of sharpness-aware
// minimisation (Foret et al., SAM, ICLR 2021).
#ifndef ACCLIMATE_CORE_METHODS_SHARPEST_NEARBY_H_
#define ACCLIMATE_CORE_METHODS_SHARPEST_NEARBY_H_

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/train/optimizer.h"

namespace acclimate::methods {

// theta + rho g / ||g||, g the gradient of `loss` with respect to all `parameters` together, by
// name, for Model::ForwardWith(). g is held constant, so that the gradient of what follows reaches
// theta unchanged. A parameter that the loss does not depend on is given as it is.
std::map<std::string, at::Tensor> SharpestNearby(
    const at::Tensor& loss, const std::vector<train::NamedParameter>& parameters, double rho);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SHARPEST_NEARBY_H_
