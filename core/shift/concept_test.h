// Has p(y|x) moved? What labels can prove and what confidence can only hint at.
//
// Where the domains do not overlap, a model is wrong for want of samples, not because a concept
// moved; both tests therefore weigh samples by how much the domains overlap there:
//
//   target: min(1, p_source(x) / p_target(x)),    source: min(1, p_target(x) / p_source(x)).
//
// Weighted like this, both samples follow one density, proportional to min(p_source, p_target).
#ifndef ACCLIMATE_CORE_SHIFT_CONCEPT_TEST_H_
#define ACCLIMATE_CORE_SHIFT_CONCEPT_TEST_H_

#include <cstdint>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "core/shift/domain_classifier.h"

namespace acclimate::shift {

struct OverlapWeights {
  at::Tensor source, target;  // [n], [m] in (0, 1]
};
OverlapWeights WeighOverlap(const DomainClassification& domains);
// Of target samples with these log odds.
at::Tensor TargetWeights(const at::Tensor& log_odds);

// Labels that disagree with the model beyond what the model expects of itself: a likelihood-ratio
// test by simulation. The statistic is the weighted mean of -ln p(y_i | x_i); under the null
// hypothesis labels follow the model's calibrated probabilities, from which `draws` label sets are
// drawn.
struct LabelTest {
  double log_loss = 0, expected_log_loss = 0;  // of the given labels, and mean of the drawn ones
  double p_value = 1;                          // (1 + draws that reach it) / (1 + draws)
};
// probabilities: [N, C] rows sum to 1; labels: int64 [N]; weights: [N] >= 0, not all 0.
LabelTest TestLabels(const at::Tensor& probabilities, const at::Tensor& labels,
                     const at::Tensor& weights, int64_t draws, at::Generator generator);

// Is the target's entropy above the source's where the domains overlap? A one-sided z-test of two
// weighted means. Only a hint: a model may be unsure for other reasons, and sure of what moved.
struct ConfidenceTest {
  double source_entropy = 0, target_entropy = 0;  // weighted means, in nats
  double p_value = 1;
};
ConfidenceTest TestConfidence(const at::Tensor& source_entropy, const at::Tensor& target_entropy,
                              const OverlapWeights& weights);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_CONCEPT_TEST_H_
