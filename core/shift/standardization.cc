#include "core/shift/standardization.h"

#include <ATen/ATen.h>

namespace acclimate::shift {
namespace {

// 1 / deviation; 0 for a coordinate whose deviation is lost in rounding beside its mean.
at::Tensor InverseDeviation(const at::Tensor& variance, const at::Tensor& mean) {
  constexpr double kRelativeRounding = 1e-6;
  const at::Tensor deviation = variance.sqrt();
  const at::Tensor varies = deviation.gt(mean.abs() * kRelativeRounding + 1e-12);
  return at::where(varies, 1 / deviation, at::zeros_like(deviation));
}

}  // namespace

Scale OwnScale(const at::Tensor& samples) {
  const at::Tensor mean = samples.mean(0);
  return {mean, InverseDeviation(samples.var(0, false), mean)};
}

Scale CommonScale(const at::Tensor& source, const at::Tensor& target) {
  const at::Tensor source_mean = source.mean(0), target_mean = target.mean(0);
  const at::Tensor mean = (source_mean + target_mean) / 2;
  const at::Tensor variance = (source.var(0, false) + target.var(0, false)) / 2 +
                              ((source_mean - target_mean) / 2).square();
  return {mean, InverseDeviation(variance, mean)};
}

at::Tensor AlignedMoments(const at::Tensor& source, const at::Tensor& target) {
  const at::Tensor mean = target.mean(0);
  const at::Tensor scale = InverseDeviation(target.var(0, false), mean) * source.std(0, false);
  return (target - mean) * scale + source.mean(0);
}

}  // namespace acclimate::shift
