#include "core/losses/fisher_penalty.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor FisherPenalty(const std::vector<at::Tensor>& parameters,
                         const std::vector<at::Tensor>& anchors,
                         const std::vector<at::Tensor>& importance) {
  at::Tensor penalty;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor term = (importance[i] * (parameters[i] - anchors[i]).square()).sum();
    penalty = penalty.defined() ? penalty + term : term;
  }
  return penalty;
}

}  // namespace acclimate::losses
