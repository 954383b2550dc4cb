// What two domains' predictions say: confidence, calibration, the shares of the classes.
#ifndef ACCLIMATE_CORE_SHIFT_OUTPUT_MEASURES_H_
#define ACCLIMATE_CORE_SHIFT_OUTPUT_MEASURES_H_

#include <cstdint>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "core/shift/calibration.h"
#include "core/shift/concept_test.h"
#include "core/shift/domain_sample.h"
#include "core/shift/verdict.h"

namespace acclimate::shift {

struct OutputMeasures {
  double source_error = 0;                        // share of source samples, in [0, 1]
  double source_entropy = 0, target_entropy = 0;  // mean of the model's own, in nats
  Calibration calibration;                        // temperature, fitted to the source, at least 1
  double calibration_error = 0;                   // of the model's own probabilities, on the source
  double calibrated_error = 0;                    // with the temperature
  double prediction_js_divergence = 0;            // of the mean predictions of both domains
  double prediction_p_value = 1;                  // chi-squared test of the predicted classes
  at::Tensor source_prior;                        // double [C]: the labels' shares
  at::Tensor target_prior;                        // double [C]: estimated by EM, label_shift.h
  at::Tensor aligned_target_prior;                // the same, from aligned features
  double label_overlap = 1, aligned_label_overlap = 1;
};

// Without temperatures below 1: on the samples that trained it, a model would seem too modest.
Calibration CautiousTemperature(const at::Tensor& logits, const at::Tensor& labels);

// source: labelled. aligned_logits: [m, C], the target's after AlignedMoments() of its features.
OutputMeasures MeasureOutputs(const DomainSample& source, const DomainSample& target,
                              const at::Tensor& aligned_logits);

// Rows of a sample in which the classes have the shares `prior`: as many as there can be without
// drawing one twice. int64, rising; empty where there are fewer than 20.
at::Tensor RowsWithShares(const at::Tensor& labels, const at::Tensor& prior,
                          at::Generator generator);

// Labels of target samples against the model. weights: [k], TargetWeights().
LabelEvidence WeighLabels(const at::Tensor& logits, const at::Tensor& labels,
                          const at::Tensor& weights, const Calibration& calibration, int64_t draws,
                          at::Generator generator);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_OUTPUT_MEASURES_H_
