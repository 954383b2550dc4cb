#include "core/losses/spectral_shrinkage.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

namespace acclimate::losses {

at::Tensor SpectralShrinkage(const at::Tensor& features, int64_t count) {
  TORCH_CHECK(features.dim() == 2, "SpectralShrinkage: features must be [N, D], not ",
              features.sizes());
  // The decomposition would throw; the caller tells a diverged loss by its value.
  if (!features.isfinite().all().item<bool>())
    return features.sum() * std::numeric_limits<double>::quiet_NaN();
  const auto [u, singular_values, v_transposed] =
      at::linalg_svd(features.detach(), /*full_matrices=*/false);
  const int64_t all = singular_values.size(0), kept = std::min(count, all);
  // u_i' F v_i with the directions held is sigma_i, and its gradient u_i v_i' is that of sigma_i.
  const at::Tensor rows = u.narrow(1, all - kept, kept).t().mm(features);
  return (rows * v_transposed.narrow(0, all - kept, kept)).sum(1).square().sum();
}

}  // namespace acclimate::losses
