// Multinomial logistic regression: the linear classifier by which features and models are judged.
#ifndef ACCLIMATE_CORE_SHIFT_LINEAR_CLASSIFIER_H_
#define ACCLIMATE_CORE_SHIFT_LINEAR_CLASSIFIER_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct LinearClassifier {
  at::Tensor mean, deviation;  // [D], of the samples that it was fitted to
  at::Tensor weight, bias;     // [D, C], [C]

  // [N, D] -> [N, C].
  at::Tensor Logits(const at::Tensor& samples) const;
};

// Minimises the mean cross-entropy of standardised samples + l2 |weight|^2 by L-BFGS from zero: the
// same data give the same classifier. samples: float [N, D]; labels: int64 [N] in [0, classes).
LinearClassifier FitLinearClassifier(const at::Tensor& samples, const at::Tensor& labels,
                                     int64_t classes, double l2);

// scikit-learn's LogisticRegression(C = inverse_penalty): minimises
//
//   inverse_penalty sum_i CE_i + |weight|^2 / 2
//
// of the samples as they are (mean 0, deviation 1 in what is returned), the same way, until no
// gradient of the mean is above 1e-4, as it does by default. A class without samples gets a bias
// that no sample reaches.
LinearClassifier FitLogisticClassifier(const at::Tensor& samples, const at::Tensor& labels,
                                       int64_t classes, double inverse_penalty);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_LINEAR_CLASSIFIER_H_
