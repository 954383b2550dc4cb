// Batch spectral shrinkage (Chen et al., "Catastrophic Forgetting Meets Negative Transfer: Batch
// Spectral Shrinkage for Safe Transfer Learning", NeurIPS 2019): directions of the features that a
// batch hardly uses are those that do not transfer; they are shrunk.
//
//   sum_{i <= k} sigma_{-i}(F)^2,    sigma_{-i} the i-th smallest singular value
//
// Its gradient is 2 sum_i sigma_{-i} u_i v_i', without differences of singular values in a
// denominator.
#ifndef ACCLIMATE_CORE_LOSSES_SPECTRAL_SHRINKAGE_H_
#define ACCLIMATE_CORE_LOSSES_SPECTRAL_SHRINKAGE_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// features F: [N, D], k = count > 0, lowered to min(N, D) -> scalar. Not a number when a feature is
// none. Differentiable once.
at::Tensor SpectralShrinkage(const at::Tensor& features, int64_t count);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_SPECTRAL_SHRINKAGE_H_
