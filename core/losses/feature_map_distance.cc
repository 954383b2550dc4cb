#include "core/losses/feature_map_distance.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor FeatureMapDistance(const at::Tensor& maps, const at::Tensor& start,
                              const at::Tensor& attention) {
  TORCH_CHECK(maps.dim() >= 2 && maps.sizes() == start.sizes(),
              "FeatureMapDistance: maps must be [N, C, ...] alike, got ", maps.sizes(), " and ",
              start.sizes());
  TORCH_CHECK(attention.dim() == 1 && attention.size(0) == maps.size(1),
              "FeatureMapDistance: ", maps.size(1), " filters need as many weights, got ",
              attention.sizes());
  const at::Tensor squares = (maps - start.detach()).square().flatten(1);
  // [N, C, P] -> [C]
  const at::Tensor by_filter = squares.view({maps.size(0), maps.size(1), -1}).mean(2).mean(0);
  return (attention * by_filter).sum() * (0.5 * static_cast<double>(maps.size(1)));
}

at::Tensor FilterAttention(const at::Tensor& losses_without, double loss) {
  return (losses_without - loss).softmax(0);
}

}  // namespace acclimate::losses
