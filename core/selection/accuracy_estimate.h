// The accuracy on an unlabelled target, estimated from a model's outputs there and what is known
// of it on labelled data of another domain.
#ifndef ACCLIMATE_CORE_SELECTION_ACCURACY_ESTIMATE_H_
#define ACCLIMATE_CORE_SELECTION_ACCURACY_ESTIMATE_H_

#include <cstdint>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/types/optional.h"
#include "core/selection/predictions.h"
#include "core/selection/source_record.h"

namespace acclimate::selection {

struct AccuracyEstimate {
  double value = 0;
  double low = 0, high = 0;  // 90 % of the bootstrap's draws lie between
  // "atc", "doc", "confidence", "agreement"; with peers, "peers" and "linear"
  std::map<std::string, double> by_estimator;
};

// What Estimate() takes: one model's outputs, and what there is of home.
struct EstimateInput {
  at::Tensor target_logits;              // [N, C], on any device
  absl::optional<Predictions> held_out;  // logits and labels of source data, by the same model
  // Of this very model at home; looked at where there are no held-out data. Of an adapted model
  // there is none: what was recorded of its source model says nothing of its confidence.
  absl::optional<SourceRecord> record;
};

// One rule for source and adapted models: m, the mean of COT, ATC-NE and Dis2 of those that what is
// known allows (estimators/), and the interval that such an m had over the bank of runs with known
// truth (estimate_bank.h), whose middle is the value. Where nothing of home is known, m is the mean
// confidence, and the interval is as wide as what that was worth.
AccuracyEstimate Estimate(const EstimateInput& input);

// Means over the target's samples, with p_i = softmax(logits_i / T):
//   confidence  max_c p_ic
//   doc         accuracy_s + (max_c p_ic - confidence_s)   (difference of confidences; Guillory et
//               al., ICCV 2021)
//   atc         1[-H(p_i) >= t]                            (Garg et al., ICLR 2022)
//   agreement   1[the head's class = the neighbours' class]: agreement of two heads on the same
//               features (after Jiang et al., ICLR 2022)
// Without a record T = 1, and neither doc nor atc. The estimate is the median of those; the
// interval resamples both the samples and the estimators, so that it is wide where they disagree.
// logits: [N, C]; neighbours: int64 [N].
AccuracyEstimate EstimateAccuracy(const at::Tensor& logits, const at::Tensor& neighbours,
                                  const absl::optional<SourceRecord>& record);

// The share of samples that two models say the same of. a, b: int64 [N], their classes; a of
// several models [M, N]: the mean over them.
double Agreement(const at::Tensor& a, const at::Tensor& b);

// Of a model by how often it agrees with a better one, whose accuracy a is estimated: where both
// say the same (a share g of the samples) it is right as often as that, where they differ it can
// only be right where the better one is wrong:
//
//   g a + (1 - g) (1 - a) / (C - 1)
//
// Confidence cannot tell a source model that is sure and wrong; the model that came out of its
// adaptation can. predicted, better: int64 [N], the classes of the same samples.
AccuracyEstimate EstimateByAgreement(const at::Tensor& predicted, const at::Tensor& better,
                                     const AccuracyEstimate& of_better, int64_t num_classes);

// No higher than the mean agreement with `peers`, models that other methods trained for the same
// target: two models that err each in its own way disagree about as often as either errs (Jiang et
// al., ICLR 2022; for adapted models Chuang et al., ICML 2020). Its interval then reaches from the
// peer that agrees least to the one that agrees most. predicted: int64 [N]; peers: int64 [P, N].
AccuracyEstimate CappedByPeers(AccuracyEstimate estimate, const at::Tensor& predicted,
                               const at::Tensor& peers);

// Of an adapted model, no higher than what the source model had on held-out data of its own domain:
// an adapted model is sure everywhere, and can hardly be better on the target than that.
AccuracyEstimate CappedByOwnDomain(AccuracyEstimate estimate, const SourceRecord& record);

// As a run's metrics: estimated_source_accuracy and estimated_accuracy, each with _low and _high.
std::map<std::string, double> EstimateMetrics(const AccuracyEstimate& before,
                                              const AccuracyEstimate& after);

// The class with the largest sum of similarities among the `k` nearest rows of the bank, by cosine.
// bank: [M, D] with labels int64 [M]; queries: [N, D] -> int64 [N].
at::Tensor NearestNeighbours(const at::Tensor& bank, const at::Tensor& labels,
                             const at::Tensor& queries, int64_t num_classes, int64_t k);
// The same among the other rows of the bank itself.
at::Tensor NearestNeighboursOfOthers(const at::Tensor& bank, const at::Tensor& labels,
                                     int64_t num_classes, int64_t k);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_ACCURACY_ESTIMATE_H_
