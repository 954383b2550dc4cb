// Validators of the logits alone: how sure a model is, and how diverse. Higher is better.
#ifndef ACCLIMATE_CORE_SELECTION_CONFIDENCE_H_
#define ACCLIMATE_CORE_SELECTION_CONFIDENCE_H_

#include <ATen/core/Tensor.h>

namespace acclimate::selection {

// -mean_i H(p_i), p = softmax(logits), in [-ln C, 0] (Morerio et al., ICLR 2018). A classifier that
// is sure of one and the same class for every sample has the highest score: never use it alone.
double NegativeEntropy(const at::Tensor& logits);

// H(mean_i p_i) - mean_i H(p_i), in [0, ln C]: sure of each, diverse over all (Krause et al., NIPS
// 2010). 0 for a collapsed classifier.
double MutualInformation(const at::Tensor& logits);

// ||P||_* / sqrt(N min(N, C)), P [N, C] the rows of probabilities: in (0, 1], the higher the surer
// and the more diverse (Cui et al., "Batch Nuclear-norm Maximization", CVPR 2020).
double NuclearNorm(const at::Tensor& logits);

// exp(H(q)), q the share of each class among the predictions argmax(logits): how many classes are
// in use, from 1 (collapsed) to C.
double ClassesInUse(const at::Tensor& logits);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_CONFIDENCE_H_
