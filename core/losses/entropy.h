// Shannon entropy of predictions, in nats: H(p) = -sum_c p_c log p_c, p = softmax(logits)
// (Grandvalet & Bengio, NIPS 2004; as test-time loss: Wang et al., "Tent", ICLR 2021).
#ifndef ACCLIMATE_CORE_LOSSES_ENTROPY_H_
#define ACCLIMATE_CORE_LOSSES_ENTROPY_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// logits: [N, C] -> [N], each in [0, log C]. Finite for any finite logits.
at::Tensor Entropy(const at::Tensor& logits);

// The mean of Entropy over the batch: scalar.
at::Tensor MeanEntropy(const at::Tensor& logits);

// How much a sample counts by how sure the prediction is (Long et al., "CDAN", NeurIPS 2018; Jin et
// al., "MCC", ECCV 2020): w_i = 1 + e^{-H_i}, scaled to mean 1, held constant. [N, C] -> [N].
at::Tensor EntropyWeights(const at::Tensor& logits);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_ENTROPY_H_
