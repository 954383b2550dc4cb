// Cross-entropy with label smoothing (Szegedy et al., CVPR 2016):
//
//   -mean_i sum_c q_ic log p_ic,    q = (1 - a) onehot(label) + a / C,    p = softmax(logits)
#ifndef ACCLIMATE_CORE_LOSSES_CROSS_ENTROPY_H_
#define ACCLIMATE_CORE_LOSSES_CROSS_ENTROPY_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits: [N, C], labels: int64 [N] in [0, C), label_smoothing a in [0, 1] -> scalar. Labels
// outside raise c10::Error.
at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels,
                        double label_smoothing = 0);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_CROSS_ENTROPY_H_
