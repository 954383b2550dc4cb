// Entropy of the samples that a model may learn from at test time: those it is sure of (Niu et al.,
// "EATA", ICML 2022; "SAR", ICLR 2023), and, for EATA, those that tell it something new.
#ifndef ACCLIMATE_CORE_LOSSES_RELIABLE_ENTROPY_H_
#define ACCLIMATE_CORE_LOSSES_RELIABLE_ENTROPY_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits: [N, C] -> bool [N]: H(p_i) < margin.
at::Tensor ReliableSamples(const at::Tensor& logits, double margin);

// probabilities: [N, C], mean: [C] -> bool [N]: |cos(p_i, mean)| < threshold.
at::Tensor NovelSamples(const at::Tensor& probabilities, const at::Tensor& mean, double threshold);

// logits: [N, C], kept: bool [N] -> scalar: the mean of H(p_i) over the kept samples; 0 without
// any.
at::Tensor EntropyOf(const at::Tensor& kept, const at::Tensor& logits);

// The same with every kept sample weighted by e^{margin - H(p_i)}, through which no gradient flows.
at::Tensor WeightedEntropyOf(const at::Tensor& kept, const at::Tensor& logits, double margin);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_RELIABLE_ENTROPY_H_
