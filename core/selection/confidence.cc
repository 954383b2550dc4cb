#include "core/selection/confidence.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/losses/entropy.h"
#include "core/losses/information_maximization.h"

namespace acclimate::selection {

double NegativeEntropy(const at::Tensor& logits) {
  return -losses::MeanEntropy(logits.to(at::kDouble)).item<double>();
}

double MutualInformation(const at::Tensor& logits) {
  return -losses::InformationMaximization(logits.to(at::kDouble)).item<double>();
}

// Through the eigenvalues of the C x C Gram matrix: sigma_c = sqrt(lambda_c).
double NuclearNorm(const at::Tensor& logits) {
  const at::Tensor p = logits.to(at::kDouble).softmax(1);
  const double scale = static_cast<double>(p.size(0) * std::min(p.size(0), p.size(1)));
  const at::Tensor eigenvalues = at::linalg_eigvalsh(p.t().mm(p)).clamp_min(0.0);
  return eigenvalues.sqrt().sum().item<double>() / std::sqrt(scale);
}

double ClassesInUse(const at::Tensor& logits) {
  const at::Tensor counts = logits.argmax(1).bincount({}, logits.size(1)).to(at::kDouble);
  const at::Tensor shares = counts / counts.sum();
  return std::exp(-at::xlogy(shares, shares).sum().item<double>());
}

}  // namespace acclimate::selection
