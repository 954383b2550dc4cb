// The mean confidence, mean_i max_c p_ic: the accuracy of a calibrated model. All that there is
// where nothing of home is known; then it is far too high as often as not.
#include <ATen/ATen.h>

#include <tuple>

#include "core/selection/estimators/estimator.h"

namespace acclimate::selection {
namespace {

double ConfidenceEstimate(const Evidence& evidence) {
  return std::get<0>(evidence.logits.softmax(1).max(1)).mean().item<double>();
}

}  // namespace

Estimator Confidence() { return {"confidence", Knowledge::kNothing, &ConfidenceEstimate}; }

}  // namespace acclimate::selection
