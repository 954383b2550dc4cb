// Cross-entropy to the soft predictions of a teacher (Wang et al., "CoTTA", CVPR 2022):
//
//   -mean_i sum_c t_ic log p_ic,    t = softmax(teacher_logits), p = softmax(logits)
#ifndef ACCLIMATE_CORE_LOSSES_CONSISTENCY_H_
#define ACCLIMATE_CORE_LOSSES_CONSISTENCY_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits, teacher_logits: [N, C] -> scalar. No gradient flows to the teacher.
at::Tensor ConsistencyCrossEntropy(const at::Tensor& logits, const at::Tensor& teacher_logits);

// The same to the teacher's first class, each sample weighted by how sure the teacher is of it
// (Hoyer et al., "MIC", CVPR 2023): -mean_i max_c t_ic log p_i,argmax t_i. No gradient flows to the
// teacher.
at::Tensor ConfidentCrossEntropy(const at::Tensor& logits, const at::Tensor& teacher_logits);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_CONSISTENCY_H_
