#include "core/losses/kernel_bandwidth.h"

#include <cmath>

#include <ATen/ATen.h>

namespace acclimate::losses {

void CheckKernelSamples(const char* loss, const at::Tensor& source, const at::Tensor& target,
                        const std::vector<double>& bandwidth_multipliers, int64_t least_rows) {
  TORCH_CHECK(source.dim() == 2 && target.dim() == 2 && source.size(1) == target.size(1), loss,
              ": samples must be [n, D] and [m, D], got ", source.sizes(), " and ", target.sizes());
  TORCH_CHECK(source.is_floating_point() && source.scalar_type() == target.scalar_type(), loss,
              ": samples must be floating point of one type, got ", source.scalar_type(), " and ",
              target.scalar_type());
  TORCH_CHECK(source.size(0) >= least_rows && target.size(0) >= least_rows, loss, ": needs ",
              least_rows, " rows a side, got ", source.size(0), " and ", target.size(0));
  TORCH_CHECK(!bandwidth_multipliers.empty(), loss, ": bandwidth_multipliers is empty");
  for (double multiplier : bandwidth_multipliers) {
    TORCH_CHECK(multiplier > 0 && std::isfinite(multiplier), loss,
                ": bandwidth_multipliers must be positive, got ", multiplier);
  }
}

at::Tensor MeanSquaredDistanceOfCentred(const at::Tensor& source, const at::Tensor& target) {
  constexpr double kSmallest = 1e-30;
  const at::Tensor squares =
      source.square().sum(1).sum(at::kDouble) + target.square().sum(1).sum(at::kDouble);
  return (squares * (2.0 / static_cast<double>(source.size(0) + target.size(0))))
      .clamp_min_(kSmallest);
}

at::Tensor SquaredDistances(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor a_squares = a.square().sum(1, true), b_squares = b.square().sum(1);
  return a.mm(b.t()).mul_(-2).add_(a_squares).add_(b_squares).clamp_min_(0);
}

at::Tensor MedianSquaredDistanceOfCentred(const at::Tensor& source, const at::Tensor& target) {
  const at::Tensor all = at::cat({source, target});
  const int64_t rows = all.size(0);
  const at::Tensor pairs =
      at::triu_indices(rows, rows, /*offset=*/1, all.options().dtype(at::kLong));
  const at::Tensor distances = SquaredDistances(all, all).index({pairs[0], pairs[1]});
  const at::Tensor median = distances.median().to(at::kDouble);
  return at::where(median > 0, median, MeanSquaredDistanceOfCentred(source, target));
}

at::Tensor KernelScaleOfCentred(const at::Tensor& source, const at::Tensor& target,
                                Bandwidth bandwidth) {
  return bandwidth == Bandwidth::kMean ? MeanSquaredDistanceOfCentred(source, target)
                                       : MedianSquaredDistanceOfCentred(source, target);
}

at::Tensor CommonMean(const at::Tensor& source, const at::Tensor& target) {
  return (source.sum(0) + target.sum(0)) / static_cast<double>(source.size(0) + target.size(0));
}

}  // namespace acclimate::losses
