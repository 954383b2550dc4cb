#include "core/losses/l2_sp.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor L2Sp(const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& start,
                const std::vector<at::Tensor>& fresh, double alpha, double beta) {
  TORCH_CHECK(weights.size() == start.size(), "L2Sp: ", weights.size(), " weights and ",
              start.size(), " starting points");
  TORCH_CHECK(!weights.empty() || !fresh.empty(), "L2Sp: needs a tensor");
  const at::Tensor& any = weights.empty() ? fresh.front() : weights.front();
  at::Tensor penalty = at::zeros({}, any.options().requires_grad(false));
  for (size_t i = 0; i < weights.size(); ++i) {
    penalty = penalty + (0.5 * alpha) * (weights[i] - start[i]).square().sum();
  }
  for (const at::Tensor& tensor : fresh) {
    penalty = penalty + (0.5 * beta) * tensor.square().sum();
  }
  return penalty;
}

}  // namespace acclimate::losses
