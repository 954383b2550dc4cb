#include "core/losses/conditioning.h"

#include <cmath>

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor OuterProduct(const at::Tensor& features, const at::Tensor& predictions) {
  return (features.unsqueeze(2) * predictions.unsqueeze(1)).flatten(1);
}

at::Tensor RandomizedProduct(const at::Tensor& features, const at::Tensor& predictions,
                             const at::Tensor& feature_projection,
                             const at::Tensor& prediction_projection) {
  const double width = static_cast<double>(feature_projection.size(1));
  return features.mm(feature_projection) * predictions.mm(prediction_projection) / std::sqrt(width);
}

}  // namespace acclimate::losses
