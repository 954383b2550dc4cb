#include "core/losses/information_maximization.h"

#include <cmath>

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor InformationMaximization(const at::Tensor& logits) {
  at::Tensor log_probabilities = logits.log_softmax(1);
  at::Tensor entropy = -(log_probabilities.exp() * log_probabilities).sum(1).mean();
  // log of the mean probability, without leaving the log domain: finite when a class is never
  // predicted.
  at::Tensor log_mean =
      log_probabilities.logsumexp(0) - std::log(static_cast<double>(logits.size(0)));
  at::Tensor diversity = -(log_mean.exp() * log_mean).sum();
  return entropy - diversity;
}

}  // namespace acclimate::losses
