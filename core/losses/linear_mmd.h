// The linear-time estimate of MMD^2 (Gretton et al., JMLR 13 (2012), section 6), with the kernels
// and the bandwidth of mk_mmd.h:
//
//   (2/n) sum_{i=1}^{n/2} k(x_{2i-1}, x_{2i}) + k(y_{2i-1}, y_{2i})
//                         - k(x_{2i-1}, y_{2i}) - k(x_{2i}, y_{2i-1})
#ifndef ACCLIMATE_CORE_LOSSES_LINEAR_MMD_H_
#define ACCLIMATE_CORE_LOSSES_LINEAR_MMD_H_

#include <ATen/core/Tensor.h>

#include "core/losses/mk_mmd.h"

namespace acclimate::losses {

// source: [n, D], target: [m, D] -> scalar, O((n + m) D). Samples of unequal size use their common
// even prefix, of at least two rows. The bandwidth must be the mean. Unbiased whatever
// options.unbiased says: it may be negative.
at::Tensor LinearTimeMmd(const at::Tensor& source, const at::Tensor& target,
                         const MkMmdOptions& options = {});

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_LINEAR_MMD_H_
