// A classical model for tables that no network's mistakes have come into: logistic regression on
// features that each domain has standardised by itself.
//
//   x <- clip(x, median +- 20 q75 |x - median|)              by domain
//   T1(x) = x,  T2(x) = sign(x) log(1 + |x|),  each then to mean 0 and deviation 1 by domain
//   p = mean of six softmaxes: logistic regression on T1 and T2 of the sources at
//       C = 0.01, 0.1 and 1
//
// and for samples that are there together, LAME (Boudiaf et al., CVPR 2022) with
// w_ij = ([j in kNN(i)] + [i in kNN(j)]) / 2, neighbours by distance in standardised T2.
#ifndef ACCLIMATE_CORE_METHODS_TEACHING_TABLE_MODEL_H_
#define ACCLIMATE_CORE_METHODS_TEACHING_TABLE_MODEL_H_

#include <array>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/shift/linear_classifier.h"
#include "core/shift/standardization.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

constexpr size_t kTableTransforms = 2;

// What a domain is clipped to and standardised by.
class TableScale {
 public:
  // samples: [N, D] of one domain, in the units of its file.
  explicit TableScale(const at::Tensor& samples);

  // [N, D] -> double [N, D], T1 or T2 of the clipped samples, standardised.
  at::Tensor Apply(const at::Tensor& samples, size_t transform) const;

 private:
  at::Tensor lowest_, highest_;  // double [D]
  std::array<shift::Scale, kTableTransforms> scales_;
};

class TableModel {
 public:
  // domains: inputs [N, D] in the units of their files, labels in [0, classes); scales: of each.
  // CANCELLED between two fits as soon as `stop` says so.
  static absl::StatusOr<TableModel> Fit(const std::vector<data::Batch>& domains,
                                        const std::vector<TableScale>& scales, int64_t classes,
                                        train::StopSignal& stop);

  // Double [N, C] of samples [N, D] on the scale of their domain.
  at::Tensor Probabilities(const at::Tensor& samples, const TableScale& scale) const;
  // The same, N >= 2, after LAME with `neighbors` of each sample.
  at::Tensor AdjustedProbabilities(const at::Tensor& samples, const TableScale& scale,
                                   int64_t neighbors) const;

 private:
  std::array<std::vector<shift::LinearClassifier>, kTableTransforms> classifiers_;  // by transform
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TEACHING_TABLE_MODEL_H_
