// AaD (Yang et al., "Attracting and Dispersing", NeurIPS 2022): predictions of neighbours agree,
// and those of a batch differ.
//
//   L = -mean_i sum_{j in neighbours of i} p_i'q_j + dispersal mean_i sum_{m != i} p_i'p_m
//
// q_j is what was predicted for the neighbour before. The authors' code has a Kullback-Leibler
// divergence in the first term, which differs by a constant.
#ifndef ACCLIMATE_CORE_LOSSES_ATTRACTION_DISPERSION_H_
#define ACCLIMATE_CORE_LOSSES_ATTRACTION_DISPERSION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// probabilities: [N, C]; neighbors: [N, K, C], held -> scalar.
at::Tensor AttractionDispersion(const at::Tensor& probabilities, const at::Tensor& neighbors,
                                double dispersal);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_ATTRACTION_DISPERSION_H_
