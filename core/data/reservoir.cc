#include "core/data/reservoir.h"

#include <ATen/ATen.h>

namespace acclimate::data {

at::Tensor Reservoir::Offer(int64_t count) {
  const at::Tensor uniform = at::rand({count}, at::kDouble);
  const double* const u = uniform.data_ptr<double>();
  at::Tensor slots = at::empty({count}, at::kLong);
  int64_t* const slot = slots.data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i, ++seen_) {
    int64_t drawn = seen_;
    if (seen_ >= capacity_) {
      // Rounding may reach seen_ + 1 for very long streams.
      drawn = std::min(static_cast<int64_t>(u[i] * static_cast<double>(seen_ + 1)), seen_);
    }
    slot[i] = drawn < capacity_ ? drawn : -1;
  }
  return slots;
}

}  // namespace acclimate::data
