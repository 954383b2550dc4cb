#include "core/methods/prototypes.h"

#include <torch/types.h>

namespace acclimate::methods {

at::Tensor Prototypes(const at::Tensor& features, const at::Tensor& labels, int64_t classes) {
  const at::Tensor members = at::one_hot(labels, classes).to(features.scalar_type());  // [N, C]
  return members.t().matmul(features) / members.sum(0).unsqueeze(1);
}

PrototypeLayer LinearForm(const at::Tensor& prototypes) {
  return {2 * prototypes, -prototypes.square().sum(1)};
}

}  // namespace acclimate::methods
