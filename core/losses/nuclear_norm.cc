#include "core/losses/nuclear_norm.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include <ATen/ATen.h>
#include <torch/autograd.h>

namespace acclimate::losses {
namespace {

class NuclearNorm : public torch::autograd::Function<NuclearNorm> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& matrix) {
    const auto [u, singular_values, v_transposed] = at::linalg_svd(matrix, /*full_matrices=*/false);
    // A direction of a zero singular value is arbitrary: the subgradient without it is chosen.
    const double rounding = matrix.scalar_type() == at::kDouble
                                ? std::numeric_limits<double>::epsilon()
                                : std::numeric_limits<float>::epsilon();
    const double sizes = static_cast<double>(std::max(matrix.size(0), matrix.size(1)));
    const at::Tensor present = singular_values.gt(singular_values[0] * (sizes * rounding));
    context->save_for_backward({(u * present).mm(v_transposed)});
    return singular_values.sum();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "BatchNuclearNorm has no second derivative");
    return {context->get_saved_variables()[0] * gradients[0]};
  }
};

}  // namespace

at::Tensor BatchNuclearNorm(const at::Tensor& logits) {
  const at::Tensor predictions = logits.softmax(1);
  // The decomposition would throw; the caller tells a diverged loss by its value.
  if (!predictions.isfinite().all().item<bool>()) return predictions.sum();
  return -NuclearNorm::apply(predictions) / static_cast<double>(logits.size(0));
}

}  // namespace acclimate::losses
