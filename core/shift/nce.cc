#include "core/shift/nce.h"

#include <ATen/ATen.h>

namespace acclimate::shift {

double NegativeConditionalEntropy(const at::Tensor& predicted, const at::Tensor& labels,
                                  int64_t classes) {
  TORCH_CHECK(predicted.dim() == 1 && predicted.sizes() == labels.sizes() && labels.size(0) >= 1,
              "NegativeConditionalEntropy: needs predicted and labels [N], got ", predicted.sizes(),
              " and ", labels.sizes());
  const int64_t predictions = predicted.max().item<int64_t>() + 1;
  const at::Tensor cell = predicted * classes + labels;
  const at::Tensor counts = cell.bincount({}, predictions * classes).to(at::kDouble);
  const at::Tensor joint = counts.view({predictions, classes}) / labels.size(0);
  const at::Tensor of_z = joint.sum(1);
  return (at::xlogy(joint, joint).sum() - at::xlogy(of_z, of_z).sum()).item<double>();
}

}  // namespace acclimate::shift
