// ATC-NE: average thresholded confidence by negative entropy (Garg et al., ICLR 2022).
//
//   mean_i 1[-H(p_i) >= t],  t such that the same share of home is above it as is right there
#include <ATen/ATen.h>

#include "core/losses/entropy.h"
#include "core/selection/estimators/estimator.h"

namespace acclimate::selection {
namespace {

double ThresholdEstimate(const Evidence& evidence) {
  const at::Tensor sure = (-losses::Entropy(evidence.logits)).ge(evidence.home.threshold);
  return sure.to(at::kDouble).mean().item<double>();
}

}  // namespace

Estimator Atc() { return {"atc", Knowledge::kRecord, &ThresholdEstimate}; }

}  // namespace acclimate::selection
