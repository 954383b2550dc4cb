#include "core/losses/joint_mmd.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/losses/kernel_bandwidth.h"

namespace acclimate::losses {
namespace {

// One layer, centred: distances do not change, and the Gram form loses no digits.
struct Layer {
  at::Tensor source, target;
  std::vector<at::Tensor> rates;  // of its kernels exp(-D rate), double scalars
};

Layer Prepare(const JointMmdLayer& layer, const MkMmdOptions& options) {
  at::Tensor mean;
  {
    const at::NoGradGuard held_constant;
    mean = CommonMean(layer.source, layer.target);
  }
  Layer prepared{layer.source - mean, layer.target - mean, {}};
  if (layer.fixed_width > 0) {
    prepared.rates = {at::scalar_tensor(1 / layer.fixed_width, at::kDouble)};
    return prepared;
  }
  const at::NoGradGuard held_constant;
  const at::Tensor scale =
      KernelScaleOfCentred(prepared.source, prepared.target, options.bandwidth);
  for (const double multiplier : options.bandwidth_multipliers) {
    prepared.rates.push_back((scale * (2 * multiplier)).reciprocal());
  }
  return prepared;
}

at::Tensor Kernel(const at::Tensor& a, const at::Tensor& b, const std::vector<at::Tensor>& rates) {
  const at::Tensor distances = SquaredDistances(a, b);
  at::Tensor sum;
  for (const at::Tensor& rate : rates) {
    const at::Tensor kernel = (distances * -rate).exp();
    sum = sum.defined() ? sum + kernel : kernel;
  }
  return sum;
}

// The mean of prod_l k_l over all pairs of the sides `a` and `b`.
at::Tensor MeanKernel(const std::vector<Layer>& layers, at::Tensor Layer::*a, at::Tensor Layer::*b,
                      bool skip_diagonal) {
  at::Tensor product;
  for (const Layer& layer : layers) {
    const at::Tensor kernel = Kernel(layer.*a, layer.*b, layer.rates);
    product = product.defined() ? product * kernel : kernel;
  }
  const double rows = product.size(0), columns = product.size(1);
  if (!skip_diagonal) return product.sum() / (rows * columns);
  return (product.sum() - product.trace()) / (rows * (columns - 1));
}

}  // namespace

at::Tensor JointMmd(const std::vector<JointMmdLayer>& layers, const MkMmdOptions& options) {
  TORCH_CHECK(!layers.empty(), "JointMmd: needs a layer");
  std::vector<Layer> prepared;
  for (const JointMmdLayer& layer : layers) {
    CheckKernelSamples("JointMmd", layer.source, layer.target, options.bandwidth_multipliers,
                       /*least_rows=*/options.unbiased ? 2 : 1);
    TORCH_CHECK(layer.source.size(0) == layers[0].source.size(0) &&
                    layer.target.size(0) == layers[0].target.size(0),
                "JointMmd: all layers must be of the same samples");
    prepared.push_back(Prepare(layer, options));
  }
  const bool u = options.unbiased;
  return MeanKernel(prepared, &Layer::source, &Layer::source, u) +
         MeanKernel(prepared, &Layer::target, &Layer::target, u) -
         2 * MeanKernel(prepared, &Layer::source, &Layer::target, false);
}

}  // namespace acclimate::losses
