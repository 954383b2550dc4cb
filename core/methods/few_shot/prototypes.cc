#include "core/methods/few_shot/prototypes.h"

#include <ATen/ATen.h>

namespace acclimate::methods {

at::Tensor Prototypes(const at::Tensor& features, const at::Tensor& labels, int64_t classes) {
  const at::Tensor members = at::one_hot(labels, classes).to(features.scalar_type());  // [N, C]
  return members.t().matmul(features) / members.sum(0).unsqueeze(1);
}

PrototypeLayer LinearForm(const at::Tensor& prototypes) {
  return {2 * prototypes, -prototypes.square().sum(1)};
}

absl::StatusOr<LinearHead> HeadForPrototypes(model::Model& model) {
  absl::StatusOr<LinearHead> head = LinearHead::Of(model);
  if (head.ok() && !head->bias().defined()) {
    return absl::InvalidArgumentError("checkpoint: a classifier of prototypes needs a bias");
  }
  return head;
}

}  // namespace acclimate::methods
