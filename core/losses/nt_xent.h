// NT-Xent, the contrastive loss of SimCLR (Chen et al., ICML 2020), over the 2N views of N samples:
//
//   l_ij = -log( exp(s_ij / tau) / sum_{k != i} exp(s_ik / tau) ),   s_ij = cosine(z_i, z_j),
//   loss = mean over all 2N views i of l_ij, j the other view of the same sample: both directions,
//   a view never compared with itself.
//
// One GEMM gives S, the row's log-sum-exp the denominator; with Z of unit rows, P the row softmax
// of S / tau without its diagonal and Z' the rows of the other views,
//   dL/dZ = (P Z + P^T Z - 2 Z') / (2 N tau).
// Memory is O(N^2), never O(N^2 D).
#ifndef ACCLIMATE_CORE_LOSSES_NT_XENT_H_
#define ACCLIMATE_CORE_LOSSES_NT_XENT_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// first, second: [N, D], the two views of each sample, of any length; temperature tau > 0 ->
// scalar. Differentiable once: a second derivative raises c10::Error, as wrong shapes do.
at::Tensor NtXent(const at::Tensor& first, const at::Tensor& second, double temperature);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_NT_XENT_H_
