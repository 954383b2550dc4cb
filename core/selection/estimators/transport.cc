// COT: optimal transport of the target's calibrated predictions to one-hot classes (Lu et al.,
// "Characterizing Out-of-Distribution Error via Optimal Transport", NeurIPS 2023).
//
//   1 - W - (confidence_s - accuracy_s),
//   W = min_T sum_ic T_ic |p_i - e_c|_1 / 2,  T >= 0,  sum_c T_ic = 1/N,  sum_i T_ic = q_c
//
// |p_i - e_c|_1 / 2 = 1 - p_ic, so that 1 - W is the largest sum_ic T_ic p_ic. The paper takes the
// source's class shares for q, which makes the estimate too low by about as much as the target's
// differ from them; these are Evidence's.
#include <ATen/ATen.h>

#include "core/selection/estimators/estimator.h"
#include "core/selection/estimators/transportation.h"

namespace acclimate::selection {
namespace {

double TransportEstimate(const Evidence& evidence) {
  const double transported = Transport(evidence.logits.softmax(1), evidence.shares).value;
  return transported + evidence.home.accuracy - evidence.home.confidence;
}

}  // namespace

Estimator Cot() { return {"cot", Knowledge::kRecord, &TransportEstimate}; }

}  // namespace acclimate::selection
