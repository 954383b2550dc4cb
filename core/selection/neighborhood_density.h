// Soft neighbourhood density (Saito et al., "Tune it the Right Way", ICCV 2021): how many close
// neighbours a target sample has among the predictions.
//
//   S = P P' / tau, rows of P = softmax(logits) scaled to length 1, tau = 0.05, without the
//   diagonal; D_i. = softmax(S_i.);   SND = mean_i H(D_i.), in [0, ln(N - 1)], higher is better
//
// It rewards total collapse, where every sample neighbours every other: use it beside a validator
// that asks for diversity.
#ifndef ACCLIMATE_CORE_SELECTION_NEIGHBORHOOD_DENSITY_H_
#define ACCLIMATE_CORE_SELECTION_NEIGHBORHOOD_DENSITY_H_

#include <ATen/core/Tensor.h>

namespace acclimate::selection {

// logits: [N, C], N >= 2.
double NeighborhoodDensity(const at::Tensor& logits);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_NEIGHBORHOOD_DENSITY_H_
