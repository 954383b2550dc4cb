// Information maximisation (Krause et al., NIPS 2010; Liang et al., "SHOT", ICML 2020): confident
// on each sample, diverse over the batch.
//
//   mean_i H(p_i) - H(mean_i p_i),    p_i = softmax(logits_i)
#ifndef ACCLIMATE_CORE_LOSSES_INFORMATION_MAXIMIZATION_H_
#define ACCLIMATE_CORE_LOSSES_INFORMATION_MAXIMIZATION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits: [N, C] -> scalar in [-log C, 0], to be minimised.
at::Tensor InformationMaximization(const at::Tensor& logits);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_INFORMATION_MAXIMIZATION_H_
