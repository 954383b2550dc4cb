#include "core/model/weight_draw.h"

#include <ATen/ATen.h>

#include <cmath>

namespace acclimate::model {

at::Tensor DrawWeights(at::IntArrayRef shape, int64_t fan_in) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return at::empty(shape).uniform_(-bound, bound);
}

}  // namespace acclimate::model
