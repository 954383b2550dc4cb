#include "core/train/loss_scale.h"

#include <ATen/ATen.h>

namespace acclimate::train {
namespace {

constexpr double kFirstScale = 65536, kGrowth = 2, kBackoff = 0.5;
constexpr int64_t kGrowthInterval = 2000;

}  // namespace

LossScale::LossScale(const at::Device& device)
    : scale_(at::full({}, kFirstScale, at::TensorOptions(at::kFloat).device(device))),
      growth_(at::zeros({}, at::TensorOptions(at::kInt).device(device))) {}

at::Tensor LossScale::Unscale(const std::vector<at::Tensor>& gradients) const {
  at::Tensor not_finite = at::zeros_like(scale_);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, not_finite, scale_.reciprocal());
  return not_finite;
}

void LossScale::Follow(const at::Tensor& not_finite) {
  at::_amp_update_scale_(scale_, growth_, not_finite, kGrowth, kBackoff, kGrowthInterval);
}

TensorMap LossScale::State() const { return {{"scale", scale_}, {"growth", growth_}}; }

absl::Status LossScale::Restore(const TensorMap& state) { return CopyInto(State(), state); }

}  // namespace acclimate::train
