#include "core/selection/gain_estimate.h"

#include <ATen/ATen.h>

#include <cmath>
#include <tuple>

#include "core/selection/estimators/evidence.h"
#include "core/selection/estimators/transportation.h"

namespace acclimate::selection {
namespace {

// What each sample adds to an estimate, which is the sum of both means less a constant.
struct Contributions {
  double estimate = 0;
  at::Tensor target;    // double [N]
  at::Tensor held_out;  // double [n]
};

Contributions ContributionsOf(const Evidence& evidence, const at::Tensor& shares) {
  const at::Tensor p = evidence.logits.softmax(1);
  const Transportation transportation = Transport(p, shares);
  const at::Tensor right = evidence.held_out_logits.argmax(1).eq(evidence.held_out_labels);
  Contributions contributions;
  contributions.target = std::get<0>((p + transportation.prices).max(1));
  contributions.held_out =
      right.to(at::kDouble) - std::get<0>(evidence.held_out_logits.softmax(1).max(1));
  contributions.estimate = transportation.value + contributions.held_out.mean().item<double>();
  return contributions;
}

double VarianceOfMean(const at::Tensor& values) {
  const auto n = static_cast<double>(values.size(0));
  return (values - values.mean()).pow(2).mean().item<double>() / n;
}

}  // namespace

GainEstimate EstimateGain(const at::Tensor& source_logits, const Predictions& source_held_out,
                          const at::Tensor& adapted_logits, const Predictions& adapted_held_out) {
  const Evidence source = EvidenceOf(source_logits, source_held_out, absl::nullopt);
  const Evidence adapted = EvidenceOf(adapted_logits, adapted_held_out, absl::nullopt);
  const at::Tensor shares = (source.shares + adapted.shares) / 2;
  const Contributions before = ContributionsOf(source, shares);
  const Contributions after = ContributionsOf(adapted, shares);
  GainEstimate gain;
  gain.value = after.estimate - before.estimate;
  gain.standard_error = std::sqrt(VarianceOfMean(after.target - before.target) +
                                  VarianceOfMean(after.held_out - before.held_out));
  return gain;
}

}  // namespace acclimate::selection
