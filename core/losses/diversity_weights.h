// How much a sample of a batch counts at test time (Marsden et al., "ROID", WACV 2024): the more,
// the surer its prediction is and the less it is like those before.
//
//   d_i = 1 - cos(mean, p_i),  c_i = -H(p_i),  each scaled to [0, 1] over the batch
//   w_i = exp(d_i c_i / temperature), and 0 where d_i < mean_j d_j
#ifndef ACCLIMATE_CORE_LOSSES_DIVERSITY_WEIGHTS_H_
#define ACCLIMATE_CORE_LOSSES_DIVERSITY_WEIGHTS_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits: [N, C], mean: [C], a mean prediction -> [N], held constant. Where all samples are alike,
// all count.
at::Tensor DiversityWeights(const at::Tensor& logits, const at::Tensor& mean, double temperature);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_DIVERSITY_WEIGHTS_H_
