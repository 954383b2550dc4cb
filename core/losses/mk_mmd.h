// Multi-kernel maximum mean discrepancy (Gretton et al., JMLR 13 (2012); as a loss: Long et al.,
// "Learning Transferable Features with Deep Adaptation Networks", ICML 2015).
//
//   MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),    k = sum_u exp(-D / (2 alpha_u m)),
//   D_ij = ||z_i - z_j||^2 over Z = [source; target], N = n + m rows,
//   m = mean of D over all N^2 pairs = 2 (mean ||z||^2 - ||mean z||^2), or its median as in
//   kernel_bandwidth.h, held constant.
//
// One GEMM gives D. With bandwidths that double, E = exp(-D / (2 alpha_max m)) and squarings give
// every kernel from one exp. The gradient is analytic: with G = W * dK/dD for the symmetric weights
// W of the statistic, dL/dZ = 4 (diag(G 1) Z - G Z). Memory is O(N^2), never O(N^2 D).
#ifndef ACCLIMATE_CORE_LOSSES_MK_MMD_H_
#define ACCLIMATE_CORE_LOSSES_MK_MMD_H_

#include <vector>

#include <ATen/core/Tensor.h>

#include "core/losses/kernel_bandwidth.h"

namespace acclimate::losses {

struct MkMmdOptions {
  // alpha_u > 0; the defaults, 2^-3 to 2^1, are those of TLlib.
  std::vector<double> bandwidth_multipliers = {0.125, 0.25, 0.5, 1, 2};
  Bandwidth bandwidth = Bandwidth::kMean;
  // false: the V statistic, >= 0 and exactly 0 for identical samples. true: the U statistic, with
  // mean 0 when both domains have the same distribution; it may be negative and needs two rows a
  // side.
  bool unbiased = false;
};

// source: [n, D], target: [m, D], both floating point of one type -> scalar. Differentiable once:
// a second derivative raises c10::Error, as wrong shapes do.
at::Tensor MkMmd(const at::Tensor& source, const at::Tensor& target,
                 const MkMmdOptions& options = {});

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_MK_MMD_H_
