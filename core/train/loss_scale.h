// Loss scaling for gradients in fp16 (Micikevicius et al., Mixed Precision Training, ICLR 2018).
#ifndef ACCLIMATE_CORE_TRAIN_LOSS_SCALE_H_
#define ACCLIMATE_CORE_TRAIN_LOSS_SCALE_H_

#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/train/training_state.h"

namespace acclimate::train {

// The loss is multiplied so that small gradients are not rounded to zero, which below 6e-8 they
// are. Where a gradient is then beyond fp16, the update is left out and the scale halved; after
// 2000 updates in a row it is doubled. The values of torch.amp.GradScaler. Everything is on the
// device.
class LossScale {
 public:
  explicit LossScale(const at::Device& device);

  at::Tensor Scaled(const at::Tensor& loss) const { return loss * scale_; }
  // Divides the gradients of a scaled loss, in place. A float scalar: 1 where one of them is not
  // finite, so that no update may be made of them; else 0.
  at::Tensor Unscale(const std::vector<at::Tensor>& gradients) const;
  // After every update, made or left out.
  void Follow(const at::Tensor& not_finite);

  TensorMap State() const;
  // INVALID_ARGUMENT: a tensor is missing or misshapen.
  absl::Status Restore(const TensorMap& state);

 private:
  at::Tensor scale_;   // float scalar
  at::Tensor growth_;  // int32 scalar: updates since the scale last changed
};

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_LOSS_SCALE_H_
