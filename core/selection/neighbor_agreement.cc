#include "core/selection/neighbor_agreement.h"

#include <ATen/ATen.h>

namespace acclimate::selection {

double NeighborAgreement(const at::Tensor& neighbors, const at::Tensor& predicted) {
  const at::Tensor theirs = predicted.index_select(0, neighbors.flatten()).view(neighbors.sizes());
  return theirs.eq(predicted.unsqueeze(1)).to(at::kDouble).mean().item<double>();
}

}  // namespace acclimate::selection
