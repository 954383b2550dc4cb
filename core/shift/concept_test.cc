#include "core/shift/concept_test.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace acclimate::shift {
namespace {

struct WeightedMean {
  double value, squared_error;
};

// The squared standard error of a weighted mean: sum w^2 (x - mean)^2 / (sum w)^2.
WeightedMean MeanOf(const at::Tensor& values, const at::Tensor& weights) {
  const at::Tensor x = values.to(at::kDouble), w = weights.to(at::kDouble);
  const double total = w.sum().item<double>();
  const double mean = (w * x).sum().item<double>() / total;
  return {mean, (w * (x - mean)).square().sum().item<double>() / (total * total)};
}

// -ln p, finite for a class that the model gives no chance in single precision.
at::Tensor LogLosses(const at::Tensor& probabilities) {
  constexpr double kSmallest = 1e-12;
  return probabilities.to(at::kDouble).clamp_min(kSmallest).log().neg();
}

}  // namespace

at::Tensor TargetWeights(const at::Tensor& log_odds) {
  constexpr double kFarthest = 600;  // e^-600 is still above zero
  return (-log_odds.to(at::kDouble)).clamp(-kFarthest, 0).exp();
}

OverlapWeights WeighOverlap(const DomainClassification& domains) {
  return {TargetWeights(-domains.source_log_odds), TargetWeights(domains.target_log_odds)};
}

LabelTest TestLabels(const at::Tensor& probabilities, const at::Tensor& labels,
                     const at::Tensor& weights, int64_t draws, at::Generator generator) {
  TORCH_CHECK(probabilities.dim() == 2 && labels.dim() == 1 && weights.sizes() == labels.sizes() &&
                  probabilities.size(0) == labels.size(0) && labels.size(0) >= 1,
              "TestLabels: needs probabilities [N, C], labels [N] and weights [N], got ",
              probabilities.sizes(), ", ", labels.sizes(), " and ", weights.sizes());
  const at::NoGradGuard no_grad;
  const at::Tensor losses = LogLosses(probabilities);  // [N, C]
  const at::Tensor shares = weights.to(at::kDouble) / weights.sum(at::kDouble);
  const auto loss_of = [&](const at::Tensor& index) {  // [N, K] classes -> [K]
    return shares.unsqueeze(0).mm(losses.gather(1, index)).squeeze(0);
  };
  const at::Tensor drawn = at::multinomial(probabilities.to(at::kDouble), draws,
                                           /*replacement=*/true, generator);
  const at::Tensor simulated = loss_of(drawn);
  LabelTest test;
  test.log_loss = loss_of(labels.unsqueeze(1)).item<double>();
  test.expected_log_loss = simulated.mean().item<double>();
  // The same labels drawn again must count, whatever the order of summation.
  constexpr double kRounding = 1e-9;
  const double reached = simulated.ge(test.log_loss - kRounding).sum().item<double>();
  test.p_value = (1 + reached) / (1 + static_cast<double>(draws));
  return test;
}

ConfidenceTest TestConfidence(const at::Tensor& source_entropy, const at::Tensor& target_entropy,
                              const OverlapWeights& weights) {
  const WeightedMean source = MeanOf(source_entropy, weights.source);
  const WeightedMean target = MeanOf(target_entropy, weights.target);
  const double error = std::sqrt(source.squared_error + target.squared_error);
  ConfidenceTest test;
  test.source_entropy = source.value;
  test.target_entropy = target.value;
  if (error > 0) test.p_value = 0.5 * std::erfc((target.value - source.value) / error / M_SQRT2);
  return test;
}

}  // namespace acclimate::shift
