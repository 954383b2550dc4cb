// The discrepancy of two classifiers (Saito et al., "Maximum Classifier Discrepancy", CVPR 2018):
//
//   mean_{i,c} |softmax(z_i)_c - softmax(z'_i)_c|
#ifndef ACCLIMATE_CORE_LOSSES_CLASSIFIER_DISCREPANCY_H_
#define ACCLIMATE_CORE_LOSSES_CLASSIFIER_DISCREPANCY_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// Both [N, C] -> scalar in [0, 2 / C].
at::Tensor ClassifierDiscrepancy(const at::Tensor& logits, const at::Tensor& other_logits);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_CLASSIFIER_DISCREPANCY_H_
