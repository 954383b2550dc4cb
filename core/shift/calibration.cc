#include "core/shift/calibration.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

namespace acclimate::shift {
namespace {

// Keeps the minimum finite where the classes are separable, and the bias unique; a thousandth of
// what one of a hundred thousand samples weighs.
constexpr double kRidge = 1e-8;
constexpr int kMaxIterations = 100;
constexpr double kMinInverseTemperature = 1e-3;

// u = (1/T, b_1, ..., b_C), or (1/T) alone.
class LikelihoodFit {
 public:
  LikelihoodFit(const at::Tensor& logits, const at::Tensor& labels, bool with_bias)
      : logits_(logits.to(at::kDouble)),
        truth_(at::one_hot(labels, logits.size(1)).to(at::kDouble)),
        with_bias_(with_bias) {
    u_ = at::zeros({with_bias ? 1 + logits.size(1) : 1}, logits_.options());
    u_[0] = 1.0;
    origin_ = u_.clone();
  }

  at::Tensor Minimum() {
    for (int iteration = 0; iteration < kMaxIterations; ++iteration) {
      const auto [gradient, hessian] = Derivatives();
      const at::Tensor step = at::linalg_solve(hessian, gradient);
      const double decrease = gradient.dot(step).item<double>();
      if (!Descend(step, decrease) || decrease < 1e-16) break;
    }
    return u_;
  }

 private:
  at::Tensor Scaled(const at::Tensor& u) const {
    const at::Tensor scaled = logits_ * u[0];
    return with_bias_ ? scaled + u.slice(0, 1) : scaled;
  }

  double Objective(const at::Tensor& u) const {
    const at::Tensor likelihood = (Scaled(u).log_softmax(1) * truth_).sum(1).mean();
    return -likelihood.item<double>() + 0.5 * kRidge * (u - origin_).square().sum().item<double>();
  }

  std::pair<at::Tensor, at::Tensor> Derivatives() const {
    const double samples = static_cast<double>(logits_.size(0));
    const at::Tensor p = Scaled(u_).softmax(1), residual = p - truth_;
    const at::Tensor mean_logit = (p * logits_).sum(1, /*keepdim=*/true);
    const at::Tensor deviation = p * (logits_ - mean_logit);
    at::Tensor gradient = (residual * logits_).sum().view({1}) / samples;
    at::Tensor hessian = (deviation * logits_).sum().view({1, 1}) / samples;
    if (with_bias_) {
      gradient = at::cat({gradient, residual.mean(0)});
      const at::Tensor mixed = deviation.mean(0);
      const at::Tensor biases = at::diag(p.mean(0)) - p.t().mm(p) / samples;
      hessian = at::cat(
          {at::cat({hessian, mixed.view({1, -1})}, 1), at::cat({mixed.view({-1, 1}), biases}, 1)});
    }
    return {gradient + kRidge * (u_ - origin_),
            hessian + kRidge * at::eye(u_.size(0), u_.options())};
  }

  // Backtracks (Armijo); false when no step goes down any more.
  bool Descend(const at::Tensor& step, double decrease) {
    const double start = Objective(u_);
    for (double length = 1.0; length > 1e-10; length /= 2) {
      const at::Tensor candidate = u_ - length * step;
      if (candidate[0].item<double>() < kMinInverseTemperature) continue;
      if (Objective(candidate) > start - 1e-4 * length * decrease) continue;
      u_ = candidate;
      return true;
    }
    return false;
  }

  const at::Tensor logits_, truth_;  // double [N, C]
  const bool with_bias_;
  at::Tensor u_, origin_;
};

}  // namespace

Calibration FitTemperature(const at::Tensor& logits, const at::Tensor& labels) {
  const at::NoGradGuard no_grad;
  const at::Tensor u = LikelihoodFit(logits, labels, /*with_bias=*/false).Minimum();
  return {1.0 / u[0].item<double>(), {}};
}

Calibration FitBiasCorrectedTemperature(const at::Tensor& logits, const at::Tensor& labels) {
  const at::NoGradGuard no_grad;
  const at::Tensor u = LikelihoodFit(logits, labels, /*with_bias=*/true).Minimum();
  const at::Tensor bias = u.slice(0, 1);
  return {1.0 / u[0].item<double>(), bias - bias.mean()};
}

at::Tensor CalibratedLogits(const at::Tensor& logits, const Calibration& calibration) {
  const at::Tensor scaled = logits.to(at::kDouble) / calibration.temperature;
  return calibration.bias.defined() ? scaled + calibration.bias.to(logits.device()) : scaled;
}

double NegativeLogLikelihood(const at::Tensor& logits, const at::Tensor& labels) {
  return -logits.to(at::kDouble)
              .log_softmax(1)
              .gather(1, labels.view({-1, 1}))
              .mean()
              .item<double>();
}

double ExpectedCalibrationError(const at::Tensor& probabilities, const at::Tensor& labels,
                                int64_t bins) {
  const auto [confidence, predicted] = probabilities.to(at::kDouble).max(1);
  const at::Tensor gap = predicted.eq(labels).to(at::kDouble) - confidence;
  // Bins are open below and closed above.
  const at::Tensor bin = (confidence * bins).ceil().sub(1).clamp(0, bins - 1).to(at::kLong);
  const at::Tensor sums = at::zeros({bins}, gap.options()).index_add(0, bin, gap);
  return sums.abs().sum().item<double>() / static_cast<double>(labels.size(0));
}

}  // namespace acclimate::shift
