#include "core/shift/representation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace acclimate::shift {
namespace {

constexpr int64_t kFewestChannels = 16;

at::Tensor Flat(const at::Tensor& tensor) {
  if (tensor.dim() <= 2 || tensor.size(1) < kFewestChannels) return tensor.flatten(1);
  const at::Tensor places = tensor.flatten(2);  // [N, C, places]
  if (places.size(2) == 1) return places.squeeze(2);
  return at::cat({places.mean(2), places.std(2, /*unbiased=*/false)}, 1);
}

}  // namespace

at::Tensor Reducer::Reduce(size_t level, const at::Tensor& tensor) {
  TORCH_CHECK(tensor.dim() >= 1, "Reduce: needs a dimension of samples");
  const at::NoGradGuard no_grad;
  const at::Tensor flat =
      tensor.dim() == 1 ? tensor.unsqueeze(1).to(at::kFloat) : Flat(tensor).to(at::kFloat);
  if (flat.size(1) <= kMostCoordinates) return flat.to(at::kCPU);
  return flat.mm(Projection(level, flat)).to(at::kCPU);
}

const at::Tensor& Reducer::Projection(size_t level, const at::Tensor& flat) {
  const auto it = projections_.find(level);
  if (it != projections_.end()) return it->second;
  const at::Tensor directions =
      at::randn({flat.size(1), kMostCoordinates}, at::detail::createCPUGenerator(seed_ + level),
                at::TensorOptions(at::kFloat));
  const double scale = 1 / std::sqrt(static_cast<double>(kMostCoordinates));
  return projections_.emplace(level, (directions * scale).to(flat.device())).first->second;
}

}  // namespace acclimate::shift
