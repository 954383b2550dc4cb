#include "core/shift/linear_classifier.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/optim.h>

#include <tuple>
#include <utility>

#include "core/losses/cross_entropy.h"

namespace acclimate::shift {
namespace {

// When a fit ends: after so many iterations, at so small a gradient, or change of the loss.
struct FitEnd {
  int64_t iterations;
  double gradient, change;
};

// Weight and bias of the mean cross-entropy of `x` + l2 |weight|^2.
std::pair<at::Tensor, at::Tensor> LogisticMinimum(const at::Tensor& x, const at::Tensor& labels,
                                                  int64_t classes, double l2, const FitEnd& end) {
  const at::AutoGradMode with_graph(true);
  const at::Tensor weight = at::zeros({x.size(1), classes}, x.options()).requires_grad_();
  const at::Tensor bias = at::zeros({classes}, x.options()).requires_grad_();
  torch::optim::LBFGS optimizer({weight, bias}, torch::optim::LBFGSOptions(1)
                                                    .max_iter(end.iterations)
                                                    .tolerance_grad(end.gradient)
                                                    .tolerance_change(end.change)
                                                    .line_search_fn("strong_wolfe"));
  optimizer.step([&] {
    optimizer.zero_grad();
    at::Tensor loss =
        losses::CrossEntropy(at::addmm(bias, x, weight), labels) + l2 * weight.square().sum();
    loss.backward();
    return loss;
  });
  return {weight.detach(), bias.detach()};
}

}  // namespace

at::Tensor LinearClassifier::Logits(const at::Tensor& samples) const {
  return at::addmm(bias, (samples - mean) / deviation, weight);
}

LinearClassifier FitLinearClassifier(const at::Tensor& samples, const at::Tensor& labels,
                                     int64_t classes, double l2) {
  constexpr FitEnd kEnd = {100, 1e-7, 1e-9};
  constexpr double kLeastDeviation = 1e-6;
  LinearClassifier classifier;
  std::tie(classifier.deviation, classifier.mean) =
      at::std_mean(samples, at::IntArrayRef{0}, false, false);
  classifier.deviation = classifier.deviation.clamp_min(kLeastDeviation);
  std::tie(classifier.weight, classifier.bias) = LogisticMinimum(
      ((samples - classifier.mean) / classifier.deviation).detach(), labels, classes, l2, kEnd);
  return classifier;
}

LinearClassifier FitLogisticClassifier(const at::Tensor& samples, const at::Tensor& labels,
                                       int64_t classes, double inverse_penalty) {
  // As scikit-learn ends by default: a tighter end takes three times as long and predicts the same.
  constexpr FitEnd kEnd = {300, 1e-4, 1e-9};
  constexpr double kUnreached = -1e4;
  const at::Tensor counts = labels.bincount({}, classes);
  const at::Tensor present = counts.nonzero().squeeze(1);
  at::Tensor place = at::zeros({classes}, labels.options());
  place.index_copy_(0, present, at::arange(present.size(0), labels.options()));
  // Of two classes scikit-learn has one weight vector, the difference of these, whose square is
  // twice the sum of theirs.
  if (present.size(0) == 2) inverse_penalty /= 2;
  const double samples_and_two = 2 * static_cast<double>(samples.size(0));
  const auto [weight, bias] =
      LogisticMinimum(samples.detach(), place.index_select(0, labels), present.size(0),
                      1 / (samples_and_two * inverse_penalty), kEnd);
  LinearClassifier classifier;
  classifier.mean = at::zeros({samples.size(1)}, samples.options());
  classifier.deviation = at::ones({samples.size(1)}, samples.options());
  classifier.weight = at::zeros({samples.size(1), classes}, samples.options());
  classifier.weight.index_copy_(1, present, weight);
  classifier.bias = at::full({classes}, kUnreached, samples.options());
  classifier.bias.index_copy_(0, present, bias);
  return classifier;
}

}  // namespace acclimate::shift
