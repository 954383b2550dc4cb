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

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_ENTROPY_H_
