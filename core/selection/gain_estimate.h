// By how much an adapted model is better than its source model on an unlabelled target.
#ifndef ACCLIMATE_CORE_SELECTION_GAIN_ESTIMATE_H_
#define ACCLIMATE_CORE_SELECTION_GAIN_ESTIMATE_H_

#include <ATen/core/Tensor.h>

#include "core/selection/predictions.h"

namespace acclimate::selection {

struct GainEstimate {
  double value = 0;           // of accuracies in [0, 1]
  double standard_error = 0;  // of the samples that were seen; not of the estimator
};

// COT's estimate (estimators/transport.cc) of the adapted model minus that of the source model,
// both transported to the same class shares: the mean of what either model says of the target's.
// The error is that of paired samples: a sample of the target counts max_c (p_ic + v_c) with the
// prices v of its model's transport, a held-out one [right] - max_c p_ic.
//
// source_logits, adapted_logits: [N, C], of the same samples of the target; source_held_out,
// adapted_held_out: of the same held-out source samples, with labels.
GainEstimate EstimateGain(const at::Tensor& source_logits, const Predictions& source_held_out,
                          const at::Tensor& adapted_logits, const Predictions& adapted_held_out);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_GAIN_ESTIMATE_H_
