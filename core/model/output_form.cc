#include "core/model/output_form.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "core/io/shape_text.h"

namespace acclimate::model {

void CheckOutput(const at::Tensor& logits, int64_t classes) {
  const std::string shape = io::ShapeText(logits.sizes());
  if (!logits.is_floating_point()) {
    throw UnfitOutput(absl::StrCat(
        "forward() returns whole numbers of shape ", shape,
        ", as argmax gives them; it must return the logits [N, classes]: leave out .argmax(1)"));
  }
  int64_t outputs = 1;
  for (int64_t i = 1; i < logits.dim(); ++i) outputs *= logits.size(i);
  if (outputs == 1) {
    throw UnfitOutput(absl::StrCat(
        "forward() returns one number a sample, ", shape,
        "; a classifier of two classes has two logits: return torch.cat([torch.zeros_like(z), z], "
        "1), where z [N, 1] is the logit of the second class"));
  }
  const bool places =
      classes > 0 ? outputs != classes : logits.dim() > 2 && logits.size(1) != outputs;
  if (logits.dim() > 2 && places) {
    throw UnfitOutput(absl::StrCat("forward() returns ", shape,
                                   ", a prediction for every place, as models of segmentation do; "
                                   "a classifier returns [N, classes]"));
  }
}

}  // namespace acclimate::model
