#include "core/losses/linear_mmd.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/losses/kernel_bandwidth.h"

namespace acclimate::losses {
namespace {

// Every second row from `first`, `count` of them.
at::Tensor Alternate(const at::Tensor& samples, int64_t first, int64_t count) {
  return samples.slice(0, first, first + 2 * count - 1, 2);
}

at::Tensor MeanBandwidth(const at::Tensor& source, const at::Tensor& target) {
  at::NoGradGuard held_constant;
  at::Tensor mean = CommonMean(source, target);
  return MeanSquaredDistanceOfCentred(source - mean, target - mean);
}

}  // namespace

at::Tensor LinearTimeMmd(const at::Tensor& source, const at::Tensor& target,
                         const MkMmdOptions& options) {
  CheckKernelSamples("LinearTimeMmd", source, target, options.bandwidth_multipliers,
                     /*least_rows=*/2);
  TORCH_CHECK(options.bandwidth == Bandwidth::kMean,
              "LinearTimeMmd: the median takes quadratic time");
  int64_t pairs = std::min(source.size(0), target.size(0)) / 2;
  at::Tensor x1 = Alternate(source, 0, pairs), x2 = Alternate(source, 1, pairs);
  at::Tensor y1 = Alternate(target, 0, pairs), y2 = Alternate(target, 1, pairs);
  const at::Tensor mean_squared_distance = MeanBandwidth(source, target);

  auto kernel = [&](const at::Tensor& a, const at::Tensor& b) {
    at::Tensor distances = (a - b).square().sum(1);
    at::Tensor sum = at::zeros_like(distances);
    for (double multiplier : options.bandwidth_multipliers) {
      sum = sum + (distances / (mean_squared_distance * (-2 * multiplier))).exp();
    }
    return sum;
  };
  return (kernel(x1, x2) + kernel(y1, y2) - kernel(x1, y2) - kernel(x2, y1)).mean();
}

}  // namespace acclimate::losses
