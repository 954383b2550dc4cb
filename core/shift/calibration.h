// Calibration of a classifier's probabilities on held-out labelled data: temperature scaling (Guo
// et al., ICML 2017) and bias-corrected temperature scaling (Alexandari et al., ICML 2020), which
// label shift by EM needs. Both minimise the negative log likelihood of softmax(z / T + b), which
// is convex in (1/T, b), by Newton's method.
#ifndef ACCLIMATE_CORE_SHIFT_CALIBRATION_H_
#define ACCLIMATE_CORE_SHIFT_CALIBRATION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct Calibration {
  double temperature = 1.0;  // T
  at::Tensor bias;           // b: double [C]; undefined: zero
};

// logits: [N, C], labels: int64 [N]; b = 0.
Calibration FitTemperature(const at::Tensor& logits, const at::Tensor& labels);
// With b, which is fixed up to a constant: its mean is 0.
Calibration FitBiasCorrectedTemperature(const at::Tensor& logits, const at::Tensor& labels);

// logits: [N, C] -> double [N, C]: z / T + b.
at::Tensor CalibratedLogits(const at::Tensor& logits, const Calibration& calibration);

// Mean of -log p_i[label_i].
double NegativeLogLikelihood(const at::Tensor& logits, const at::Tensor& labels);

// Expected calibration error (Naeini et al., AAAI 2015) over `bins` equal bins of confidence:
// sum_b n_b/N |accuracy_b - mean confidence_b|, in [0, 1]. probabilities: [N, C].
double ExpectedCalibrationError(const at::Tensor& probabilities, const at::Tensor& labels,
                                int64_t bins = 15);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_CALIBRATION_H_
