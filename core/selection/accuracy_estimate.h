// The accuracy on an unlabelled target, estimated from a model's outputs there and what is known
// of it on labelled data of another domain.
#ifndef ACCLIMATE_CORE_SELECTION_ACCURACY_ESTIMATE_H_
#define ACCLIMATE_CORE_SELECTION_ACCURACY_ESTIMATE_H_

#include <cstdint>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/types/optional.h"
#include "core/selection/predictions.h"
#include "core/selection/source_record.h"

namespace acclimate::selection {

struct AccuracyEstimate {
  double value = 0;
  double low = 0, high = 0;  // of the 90 % interval
  // By the name of the estimator (estimators/estimator.h).
  std::map<std::string, double> by_estimator;
};

// What Estimate() takes: one model's outputs, and what there is of home.
struct EstimateInput {
  at::Tensor target_logits;              // [N, C], on any device
  absl::optional<Predictions> held_out;  // logits and labels of source data, by the same model
  // As EvidenceOf() takes it. Of an adapted model without held-out data there is none: what was
  // recorded of its source model says nothing of its confidence.
  absl::optional<SourceRecord> record;
};

// One rule for source and adapted models: m, the median of COT, ATC-NE and Dis2 or the mean of the
// two that a record allows (estimators/), and the interval that such an m had over the models of
// the bank that are most like this one (estimate_bank.h), whose middle is the value. Where nothing
// of home is known, m is the mean confidence, and the interval is as wide as what that was worth.
AccuracyEstimate Estimate(const EstimateInput& input);

// The share of samples that two models say the same of. a, b: int64 [N], their classes; a of
// several models [M, N]: the mean over them.
double Agreement(const at::Tensor& a, const at::Tensor& b);

// As a run's metrics: estimated_source_accuracy and estimated_accuracy, each with _low and _high.
std::map<std::string, double> EstimateMetrics(const AccuracyEstimate& before,
                                              const AccuracyEstimate& after);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_ACCURACY_ESTIMATE_H_
