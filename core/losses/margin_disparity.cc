#include "core/losses/margin_disparity.h"

#include <limits>

#include <ATen/ATen.h>

#include "core/losses/cross_entropy.h"

namespace acclimate::losses {
namespace {

// log(1 - softmax(logits)[label]) of each row: [N].
at::Tensor LogOfOtherClasses(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor others =
      logits.scatter(1, labels.unsqueeze(1), -std::numeric_limits<double>::infinity());
  return others.logsumexp(1) - logits.logsumexp(1);
}

}  // namespace

at::Tensor MarginDisparity(const MarginDisparityLogits& source, const MarginDisparityLogits& target,
                           double margin) {
  const at::Tensor agreement = CrossEntropy(source.adversary, source.classifier.argmax(1));
  const at::Tensor disagreement =
      LogOfOtherClasses(target.adversary, target.classifier.argmax(1)).mean();
  return margin * agreement - disagreement;
}

}  // namespace acclimate::losses
