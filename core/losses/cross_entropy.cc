#include "core/losses/cross_entropy.h"

#include <ATen/ATen.h>

#include <limits>

namespace acclimate::losses {

at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels,
                        double label_smoothing) {
  // No label is ignored: one outside the classes is an error.
  constexpr int64_t kIgnoreNone = std::numeric_limits<int64_t>::min();
  return at::cross_entropy_loss(logits, labels, /*weight=*/{}, at::Reduction::Mean, kIgnoreNone,
                                label_smoothing);
}

}  // namespace acclimate::losses
