#include "core/shift/output_measures.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/losses/entropy.h"
#include "core/shift/js_divergence.h"
#include "core/shift/label_overlap.h"
#include "core/shift/label_shift.h"

namespace acclimate::shift {
namespace {

at::Tensor PredictedClassCounts(const at::Tensor& logits) {
  return logits.argmax(1).bincount({}, logits.size(1));
}

// A class without source samples has no share to start from: half a sample's worth.
at::Tensor SharesOf(const at::Tensor& labels, int64_t classes) {
  const at::Tensor counts = labels.bincount({}, classes).to(at::kDouble).clamp_min(0.5);
  return counts / counts.sum();
}

at::Tensor TargetPrior(const at::Tensor& logits, const Calibration& calibration,
                       const at::Tensor& source_prior) {
  return EmPrior(CalibratedLogits(logits, calibration).softmax(1), source_prior, source_prior);
}

}  // namespace

Calibration CautiousTemperature(const at::Tensor& logits, const at::Tensor& labels) {
  Calibration calibration = FitTemperature(logits, labels);
  calibration.temperature = std::max(calibration.temperature, 1.0);
  return calibration;
}

OutputMeasures MeasureOutputs(const DomainSample& source, const DomainSample& target,
                              const at::Tensor& aligned_logits) {
  const at::NoGradGuard no_grad;
  const at::Tensor source_probabilities = source.logits.softmax(1);
  const at::Tensor target_probabilities = target.logits.softmax(1);
  OutputMeasures measures;
  measures.source_error =
      source.logits.argmax(1).ne(source.labels).to(at::kDouble).mean().item<double>();
  measures.source_entropy = losses::MeanEntropy(source.logits).item<double>();
  measures.target_entropy = losses::MeanEntropy(target.logits).item<double>();
  measures.calibration = CautiousTemperature(source.logits, source.labels);
  measures.calibration_error = ExpectedCalibrationError(source_probabilities, source.labels);
  measures.calibrated_error = ExpectedCalibrationError(
      CalibratedLogits(source.logits, measures.calibration).softmax(1), source.labels);
  measures.prediction_js_divergence =
      JsDivergence(source_probabilities.mean(0), target_probabilities.mean(0));
  measures.prediction_p_value =
      PredictedLabelTest(PredictedClassCounts(source.logits), PredictedClassCounts(target.logits));
  measures.source_prior = SharesOf(source.labels, source.logits.size(1));
  measures.target_prior = TargetPrior(target.logits, measures.calibration, measures.source_prior);
  measures.aligned_target_prior =
      TargetPrior(aligned_logits, measures.calibration, measures.source_prior);
  measures.label_overlap = LabelOverlap(measures.source_prior, measures.target_prior);
  measures.aligned_label_overlap =
      LabelOverlap(measures.source_prior, measures.aligned_target_prior);
  return measures;
}

at::Tensor RowsWithShares(const at::Tensor& labels, const at::Tensor& prior,
                          at::Generator generator) {
  constexpr int64_t kFewest = 20;
  const int64_t classes = prior.size(0);
  const at::Tensor counts = labels.bincount({}, classes).to(at::kDouble);
  const at::Tensor there = prior.gt(0).logical_and(counts.gt(0));
  const double total =
      at::where(there, counts / prior, at::full_like(prior, counts.sum().item<double>()))
          .min()
          .item<double>();
  std::vector<at::Tensor> rows = {at::empty({0}, at::kLong)};
  for (int64_t c = 0; c < classes; ++c) {
    const at::Tensor members = labels.eq(c).nonzero().squeeze(1);
    const double wanted = prior[c].item<double>() * total;
    const int64_t taken = std::min<int64_t>(std::llround(wanted), members.size(0));
    const at::Tensor order = at::randperm(members.size(0), generator, at::TensorOptions(at::kLong));
    rows.push_back(members.index_select(0, order.narrow(0, 0, taken)));
  }
  const at::Tensor all = std::get<0>(at::cat(rows).sort());
  return all.size(0) >= kFewest ? all : at::empty({0}, at::kLong);
}

LabelEvidence WeighLabels(const at::Tensor& logits, const at::Tensor& labels,
                          const at::Tensor& weights, const Calibration& calibration, int64_t draws,
                          at::Generator generator) {
  const at::NoGradGuard no_grad;
  const at::Tensor probabilities = CalibratedLogits(logits, calibration).softmax(1);
  const auto [confidence, predicted] = probabilities.max(1);
  const at::Tensor w = weights.to(at::kDouble);
  LabelEvidence evidence;
  evidence.samples = w.sum().item<double>();
  evidence.p_value = TestLabels(probabilities, labels, w, draws, generator).p_value;
  evidence.accuracy =
      (w * predicted.eq(labels).to(at::kDouble)).sum().item<double>() / evidence.samples;
  evidence.expected_accuracy = (w * confidence).sum().item<double>() / evidence.samples;
  return evidence;
}

}  // namespace acclimate::shift
