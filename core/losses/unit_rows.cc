#include "core/losses/unit_rows.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor UnitRows(const at::Tensor& rows) {
  constexpr double kNoDivisionByZero = 1e-12;
  return rows / rows.norm(2, 1, /*keepdim=*/true).clamp_min(kNoDivisionByZero);
}

}  // namespace acclimate::losses
