#include "core/losses/attraction_dispersion.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor AttractionDispersion(const at::Tensor& probabilities, const at::Tensor& neighbors,
                                double dispersal) {
  const at::Tensor attraction = (probabilities * neighbors.detach().sum(1)).sum(1).mean();
  // sum_{m != i} p_i'p_m summed over i is ||sum_i p_i||^2 - sum_i ||p_i||^2.
  const at::Tensor others = probabilities.sum(0).square().sum() - probabilities.square().sum();
  return dispersal * others / static_cast<double>(probabilities.size(0)) - attraction;
}

}  // namespace acclimate::losses
