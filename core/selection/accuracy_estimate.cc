#include "core/selection/accuracy_estimate.h"

#include <ATen/ATen.h>

#include "core/selection/estimate_bank.h"
#include "core/selection/estimators/estimator.h"

namespace acclimate::selection {

AccuracyEstimate Estimate(const EstimateInput& input) {
  const Evidence evidence = EvidenceOf(input.target_logits, input.held_out, input.record);
  const Estimates estimates = EstimatesOf(evidence);
  const AccuracyInterval interval = EstimateBank::Shipped().IntervalFor(AsRow(evidence, estimates));
  AccuracyEstimate estimate;
  estimate.value = interval.median;
  estimate.low = interval.low;
  estimate.high = interval.high;
  estimate.by_estimator = estimates.by_name;
  return estimate;
}

double Agreement(const at::Tensor& a, const at::Tensor& b) {
  return a.eq(b).to(at::kDouble).mean().item<double>();
}

std::map<std::string, double> EstimateMetrics(const AccuracyEstimate& before,
                                              const AccuracyEstimate& after) {
  return {{"estimated_source_accuracy", before.value},
          {"estimated_source_accuracy_low", before.low},
          {"estimated_source_accuracy_high", before.high},
          {"estimated_accuracy", after.value},
          {"estimated_accuracy_low", after.low},
          {"estimated_accuracy_high", after.high}};
}

}  // namespace acclimate::selection
