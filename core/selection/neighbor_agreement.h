// Do samples that lie together get the same class? Most samples of well-made data do (the cluster
// assumption), and what a model says of them is the better, the more often they do.
#ifndef ACCLIMATE_CORE_SELECTION_NEIGHBOR_AGREEMENT_H_
#define ACCLIMATE_CORE_SELECTION_NEIGHBOR_AGREEMENT_H_

#include <ATen/core/Tensor.h>

namespace acclimate::selection {

// The mean share of a sample's neighbours that are said to be of its class. neighbors: int64 [N,
// k], rows of the samples themselves; predicted: int64 [N].
double NeighborAgreement(const at::Tensor& neighbors, const at::Tensor& predicted);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_NEIGHBOR_AGREEMENT_H_
