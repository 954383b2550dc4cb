#include "core/shift/leep.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace acclimate::shift {

double Leep(const at::Tensor& probabilities, const at::Tensor& labels, int64_t classes) {
  TORCH_CHECK(probabilities.dim() == 2 && labels.dim() == 1 &&
                  probabilities.size(0) == labels.size(0) && labels.size(0) >= 1,
              "Leep: needs probabilities [N, Z] and labels [N], got ", probabilities.sizes(),
              " and ", labels.sizes());
  const at::NoGradGuard no_grad;
  const at::Tensor theta = probabilities.to(at::kDouble);
  const at::Tensor joint = at::one_hot(labels, classes).to(at::kDouble).t().mm(theta);  // [C, Z]
  const at::Tensor of_z = theta.sum(0);
  // A class that is never predicted, not even a little, adds nothing to any sum below.
  const at::Tensor conditional = at::where(of_z.gt(0), joint / of_z, at::zeros_like(joint));
  const at::Tensor likelihood = theta.mm(conditional.t()).gather(1, labels.unsqueeze(1)).squeeze(1);
  return likelihood.log().mean().item<double>();
}

}  // namespace acclimate::shift
