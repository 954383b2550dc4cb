#include "core/losses/nt_xent.h"

#include <ATen/ATen.h>
#include <torch/autograd.h>

#include <limits>

#include "core/losses/unit_rows.h"

namespace acclimate::losses {
namespace {

class FusedNtXent : public torch::autograd::Function<FusedNtXent> {
 public:
  // z: [2N, D] with rows of length 1, the two views of sample i in rows i and N + i.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& z,
                            double temperature, bool with_gradient) {
    at::Tensor scores = z.mm(z.t()).div_(temperature);
    scores.fill_diagonal_(-std::numeric_limits<double>::infinity());
    const at::Tensor denominators = scores.logsumexp(1);
    // S is symmetric: one diagonal has the pairs of both directions.
    const at::Tensor value = denominators.mean() - scores.diagonal(z.size(0) / 2).mean();
    if (with_gradient) {
      context->save_for_backward({z, scores.sub_(denominators.unsqueeze(1)).exp_()});
      context->saved_data["temperature"] = temperature;
    }
    return value;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "NtXent has no second derivative");
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor &z = saved[0], &probabilities = saved[1];
    const int64_t views = z.size(0);
    at::Tensor gradient = probabilities.mm(z);
    gradient.addmm_(probabilities.t(), z).sub_(z.roll(views / 2, 0), 2);
    gradient.div_(static_cast<double>(views) * context->saved_data["temperature"].toDouble());
    return {gradient.mul_(gradients[0]), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor NtXent(const at::Tensor& first, const at::Tensor& second, double temperature) {
  TORCH_CHECK(first.dim() == 2 && first.size(0) > 0 && first.sizes() == second.sizes(),
              "NtXent: views must have shapes [N, D], not ", first.sizes(), " and ",
              second.sizes());
  TORCH_CHECK(temperature > 0, "NtXent: the temperature must be positive, not ", temperature);
  const at::Tensor z = UnitRows(at::cat({first, second}));
  return FusedNtXent::apply(z, temperature, at::GradMode::is_enabled() && z.requires_grad());
}

}  // namespace acclimate::losses
