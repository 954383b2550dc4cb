#include "core/methods/fine_tuning/low_rank_adapter.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace acclimate::methods {

LowRankAdapter::LowRankAdapter(std::string name, const at::Tensor& weight, int64_t rank,
                               double scale)
    : name_(std::move(name)),
      weight_(weight),
      base_(weight.detach().clone(at::MemoryFormat::Contiguous)),
      scale_(scale) {
  const int64_t out = weight.size(0), in = weight.numel() / out;
  rank = std::min({rank, out, in});
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  const at::Tensor drawn = at::rand({rank, in}, at::kFloat);
  a_ = ((drawn * 2 - 1) * bound).to(weight.device());
  b_ = at::zeros({out, rank}, weight.options().requires_grad(false));
}

at::Tensor LowRankAdapter::Merged() const {
  return at::addmm(base_.view({base_.size(0), -1}), b_, a_, /*beta=*/1, scale_).view(base_.sizes());
}

void LowRankAdapter::Merge() const {
  const at::NoGradGuard no_grad;
  weight_.copy_(Merged());
}

}  // namespace acclimate::methods
