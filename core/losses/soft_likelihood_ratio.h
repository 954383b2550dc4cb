// The soft likelihood ratio (Marsden et al., "Universal Test-time Adaptation through Weight
// Ensembling, Diversity Weighting, and Prior Correction", WACV 2024):
//
//   SLR_i = -sum_c p_ic log(p_ic / (1 - p_ic) + 1e-5),   p = softmax(logits), at most 0.99
//
// Unlike that of the entropy, its gradient does not vanish for sure predictions.
#ifndef ACCLIMATE_CORE_LOSSES_SOFT_LIKELIHOOD_RATIO_H_
#define ACCLIMATE_CORE_LOSSES_SOFT_LIKELIHOOD_RATIO_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits: [N, C] -> [N]. Finite for any finite logits. Beyond 0.99, where p is cut off as in the
// authors' code, a probability gives no gradient.
at::Tensor SoftLikelihoodRatio(const at::Tensor& logits);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_SOFT_LIKELIHOOD_RATIO_H_
