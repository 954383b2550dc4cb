#include "core/losses/mk_mmd.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/ATen.h>
#include <torch/autograd.h>

#include "core/losses/kernel_bandwidth.h"

namespace acclimate::losses {
namespace {

struct KernelBank {
  std::vector<double> multipliers;  // descending, so that squaring leads from one to the next
  at::Tensor rate;                  // 1 / (2 m), a double scalar
};

struct KernelBlock {
  at::Tensor sum;    // of K over the block, a double scalar; without its diagonal when asked so
  at::Tensor slope;  // -2 m dK/dD, undefined unless asked for
};

// How often the last kernel must be squared to give the next; -1 when squaring does not lead there.
int Squarings(double from_multiplier, double to_multiplier) {
  double steps = std::log2(from_multiplier / to_multiplier);
  return steps == std::floor(steps) ? static_cast<int>(steps) : -1;
}

KernelBlock SumKernels(const at::Tensor& distances, const KernelBank& bank, bool skip_diagonal,
                       bool with_slope) {
  KernelBlock block;
  block.sum = at::zeros_like(bank.rate);
  if (with_slope) block.slope = at::zeros_like(distances);
  at::Tensor kernel;
  double previous = 0;
  for (double multiplier : bank.multipliers) {
    int squarings = kernel.defined() ? Squarings(previous, multiplier) : -1;
    if (squarings < 0) kernel = (distances * (bank.rate * (-1 / multiplier))).exp_();
    for (int i = 0; i < squarings; ++i) kernel.square_();
    // Rows in the tensors' own precision, their sum in double.
    block.sum += kernel.sum(1).sum(at::kDouble);
    if (skip_diagonal) block.sum -= kernel.diagonal().sum(at::kDouble);
    if (with_slope) block.slope.add_(kernel, 1 / multiplier);
    previous = multiplier;
  }
  return block;
}

// With G = W * dK/dD: dL/dX = 4 (diag(G_xx 1 + G_xy 1) X - G_xx X - G_xy Y). Diagonal entries of
// G_xx cancel, so the U statistic needs no care here.
at::Tensor Pull(const at::Tensor& x, const at::Tensor& y, const at::Tensor& g_xx,
                const at::Tensor& g_xy) {
  at::Tensor gradient = x * (g_xx.sum(1) + g_xy.sum(1)).unsqueeze(1);
  gradient.addmm_(g_xx, x, /*beta=*/1, /*alpha=*/-1);
  return gradient.addmm_(g_xy, y, /*beta=*/1, /*alpha=*/-1).mul_(4);
}

class FusedMkMmd : public torch::autograd::Function<FusedMkMmd> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& source,
                            const at::Tensor& target, std::vector<double> multipliers,
                            bool unbiased, Bandwidth bandwidth, bool with_gradient) {
    // Distances do not change when both samples move; centred, the Gram form loses no digits.
    at::Tensor mean = CommonMean(source, target);
    at::Tensor x = source - mean, y = target - mean;
    std::sort(multipliers.begin(), multipliers.end(), std::greater<double>());
    KernelBank bank{std::move(multipliers),
                    KernelScaleOfCentred(x, y, bandwidth).mul_(2).reciprocal_()};

    KernelBlock xx = SumKernels(SquaredDistances(x, x), bank, unbiased, with_gradient);
    KernelBlock yy = SumKernels(SquaredDistances(y, y), bank, unbiased, with_gradient);
    KernelBlock xy =
        SumKernels(SquaredDistances(x, y), bank, /*skip_diagonal=*/false, with_gradient);

    double n = x.size(0), m = y.size(0), dropped = unbiased ? 1 : 0;
    double xx_weight = 1 / (n * (n - dropped)), yy_weight = 1 / (m * (m - dropped));
    double xy_weight = 1 / (n * m);
    if (with_gradient) {
      context->save_for_backward({x, y, xx.slope.mul_(bank.rate * -xx_weight),
                                  yy.slope.mul_(bank.rate * -yy_weight),
                                  xy.slope.mul_(bank.rate * xy_weight)});
    }
    const at::Tensor value = xx.sum * xx_weight + yy.sum * yy_weight - xy.sum * (2 * xy_weight);
    return value.to(source.scalar_type());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "MkMmd has no second derivative");
    torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1];
    const at::Tensor &g_xx = saved[2], &g_yy = saved[3], &g_xy = saved[4];
    return {Pull(x, y, g_xx, g_xy).mul_(gradients[0]),
            Pull(y, x, g_yy, g_xy.t()).mul_(gradients[0]),
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor MkMmd(const at::Tensor& source, const at::Tensor& target, const MkMmdOptions& options) {
  CheckKernelSamples("MkMmd", source, target, options.bandwidth_multipliers,
                     /*least_rows=*/options.unbiased ? 2 : 1);
  bool with_gradient =
      at::GradMode::is_enabled() && (source.requires_grad() || target.requires_grad());
  return FusedMkMmd::apply(source, target, options.bandwidth_multipliers, options.unbiased,
                           options.bandwidth, with_gradient);
}

}  // namespace acclimate::losses
