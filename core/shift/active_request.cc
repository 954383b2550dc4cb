#include "core/shift/active_request.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

#include "core/losses/kernel_bandwidth.h"

namespace acclimate::shift {
namespace {

// So that what the model is sure of is asked for too where nothing else is left: it may be wrong.
constexpr double kLeastDoubt = 0.05;
// Of the mean squared distance: narrow enough that the classes do not run into each other.
constexpr double kWidth = 0.1;
constexpr int64_t kBlockRows = 4096;

at::Tensor SquaredDistances(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor products = a.mm(b.t()).mul_(-2);
  return products.add_(a.square().sum(1, true)).add_(b.square().sum(1)).clamp_min_(0);
}

double Width(const at::Tensor& sample) {
  return kWidth * losses::MeanSquaredDistanceOfCentred(sample, sample).item<double>();
}

}  // namespace

at::Tensor Density(const at::Tensor& points, const at::Tensor& sample) {
  const at::NoGradGuard no_grad;
  const at::Tensor mean = sample.mean(0);
  const at::Tensor centred = sample - mean;
  const double width = Width(centred);
  std::vector<at::Tensor> densities;
  for (const at::Tensor& block : points.split(kBlockRows)) {
    const at::Tensor kernel = SquaredDistances(block - mean, centred).mul_(-1 / width).exp_();
    densities.push_back(kernel.mean(1).to(at::kDouble));
  }
  return at::cat(densities);
}

ActiveRequest ChooseRequests(const at::Tensor& features, const at::Tensor& doubt,
                             const at::Tensor& density, int64_t count, const at::Tensor& labelled) {
  TORCH_CHECK(features.dim() == 2 && doubt.dim() == 1 && doubt.size(0) == features.size(0) &&
                  density.sizes() == doubt.sizes(),
              "ChooseRequests: needs features [N, D], doubt [N] and density [N], got ",
              features.sizes(), ", ", doubt.sizes(), " and ", density.sizes());
  const at::NoGradGuard no_grad;
  const at::Tensor mean = features.mean(0);
  const at::Tensor centred = features - mean;
  const at::Tensor worth = (doubt.to(at::kDouble) + kLeastDoubt) * density.to(at::kDouble);
  at::Tensor nearest = at::ones({features.size(0)}, at::kDouble);
  bool alone = true;
  if (labelled.defined() && labelled.size(0) > 0) {
    nearest = SquaredDistances(centred, labelled - mean).amin(1).to(at::kDouble);
    alone = false;
  }
  at::Tensor open = at::ones({features.size(0)}, at::kBool);
  std::vector<int64_t> index;
  std::vector<double> score;
  for (int64_t i = 0; i < std::min(count, features.size(0)); ++i) {
    const at::Tensor wanted = (worth * nearest).masked_fill(open.logical_not(), -1);
    const int64_t best = wanted.argmax().item<int64_t>();
    index.push_back(best);
    score.push_back(wanted[best].item<double>());
    open[best] = false;
    const at::Tensor distance =
        SquaredDistances(centred, centred[best].unsqueeze(0)).squeeze(1).to(at::kDouble);
    nearest = alone ? distance : at::minimum(nearest, distance);
    alone = false;
  }
  return {at::tensor(index, at::kLong), at::tensor(score, at::kDouble)};
}

at::Tensor DoubtFromLabels(const at::Tensor& points, const at::Tensor& labelled,
                           const at::Tensor& wrong) {
  const at::NoGradGuard no_grad;
  const at::Tensor mean = points.mean(0);
  const at::Tensor centred = points - mean;
  const at::Tensor kernel =
      SquaredDistances(centred, labelled - mean).mul_(-1 / Width(centred)).exp_().to(at::kDouble);
  // One sample's worth of "right" everywhere: a single wrong label says little far from it.
  constexpr double kPrior = 1;
  return kernel.mv(wrong.to(at::kDouble)) / (kernel.sum(1) + kPrior);
}

}  // namespace acclimate::shift
