#include "core/shift/linear_classifier.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/optim.h>

#include <tuple>

#include "core/losses/cross_entropy.h"

namespace acclimate::shift {

at::Tensor LinearClassifier::Logits(const at::Tensor& samples) const {
  return at::addmm(bias, (samples - mean) / deviation, weight);
}

LinearClassifier FitLinearClassifier(const at::Tensor& samples, const at::Tensor& labels,
                                     int64_t classes, double l2) {
  constexpr int64_t kIterations = 100;
  constexpr double kLeastDeviation = 1e-6;
  LinearClassifier classifier;
  std::tie(classifier.deviation, classifier.mean) =
      at::std_mean(samples, at::IntArrayRef{0}, false, false);
  classifier.deviation = classifier.deviation.clamp_min(kLeastDeviation);
  const at::Tensor x = ((samples - classifier.mean) / classifier.deviation).detach();
  const at::AutoGradMode with_graph(true);
  const at::Tensor weight = at::zeros({x.size(1), classes}, x.options()).requires_grad_();
  const at::Tensor bias = at::zeros({classes}, x.options()).requires_grad_();
  torch::optim::LBFGS optimizer(
      {weight, bias},
      torch::optim::LBFGSOptions(1).max_iter(kIterations).line_search_fn("strong_wolfe"));
  optimizer.step([&] {
    optimizer.zero_grad();
    at::Tensor loss =
        losses::CrossEntropy(at::addmm(bias, x, weight), labels) + l2 * weight.square().sum();
    loss.backward();
    return loss;
  });
  classifier.weight = weight.detach();
  classifier.bias = bias.detach();
  return classifier;
}

}  // namespace acclimate::shift
