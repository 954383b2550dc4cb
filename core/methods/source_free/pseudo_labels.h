// SHOT's pseudo-labels (Liang et al., ICML 2020, section 3.3).
#ifndef ACCLIMATE_CORE_METHODS_SOURCE_FREE_PSEUDO_LABELS_H_
#define ACCLIMATE_CORE_METHODS_SOURCE_FREE_PSEUDO_LABELS_H_

#include <ATen/core/Tensor.h>

namespace acclimate::methods {

// features: float [N, D]; probabilities: float [N, C]. Returns int64 [N].
//
// With f_i the feature vector extended by 1 and scaled to length 1:
//   c_k = sum_i p_ik f_i / sum_i p_ik;  yhat_i = argmin_k cosine distance(f_i, c_k)
// over the classes that are predicted at least once; then once more with p = onehot(yhat).
at::Tensor PseudoLabels(const at::Tensor& features, const at::Tensor& probabilities);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SOURCE_FREE_PSEUDO_LABELS_H_
