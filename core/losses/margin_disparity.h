// Margin disparity discrepancy (Zhang et al., "Bridging Theory and Algorithm for Domain
// Adaptation", ICML 2019): how far an adversary h' can disagree with the classifier h on the target
// while it agrees on the source. With y_i = argmax h(x_i):
//
//   gamma * mean_source CE(h'(x_i), y_i)  -  mean_target log(1 - softmax(h'(x_i))[y_i])
//
// The adversary descends it; the features, behind a gradient reversal, ascend it.
#ifndef ACCLIMATE_CORE_LOSSES_MARGIN_DISPARITY_H_
#define ACCLIMATE_CORE_LOSSES_MARGIN_DISPARITY_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

struct MarginDisparityLogits {
  at::Tensor classifier;  // h: [N, C], read for its classes only
  at::Tensor adversary;   // h': [N, C]
};

// margin: gamma > 0, e^gamma is the ratio of the two densities that h' tells apart -> scalar >= 0.
// Finite for any finite logits: log(1 - p_y) is the log-sum of the other classes.
at::Tensor MarginDisparity(const MarginDisparityLogits& source, const MarginDisparityLogits& target,
                           double margin);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_MARGIN_DISPARITY_H_
