#include "core/losses/cross_entropy.h"

#include <torch/torch.h>

namespace acclimate::losses {

at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels,
                        double label_smoothing) {
  return at::cross_entropy_loss(logits, labels, /*weight=*/{}, at::Reduction::Mean,
                                /*ignore_index=*/-1 - logits.size(1), label_smoothing);
}

}  // namespace acclimate::losses
