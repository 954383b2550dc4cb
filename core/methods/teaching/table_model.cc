#include "core/methods/teaching/table_model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/methods/source_free/laplacian_adjustment.h"

namespace acclimate::methods {
namespace {

constexpr double kInversePenalties[] = {0.01, 0.1, 1.0};

at::Tensor Transformed(const at::Tensor& samples, size_t transform) {
  return transform == 0 ? samples : samples.sign() * samples.abs().log1p();
}

// [N, D] -> [D], between the two order statistics beside it.
at::Tensor Quantile(const at::Tensor& samples, double share) {
  const at::Tensor sorted = std::get<0>(samples.sort(0));
  const double place = share * static_cast<double>(samples.size(0) - 1);
  const int64_t below = static_cast<int64_t>(place);
  const int64_t above = std::min(below + 1, samples.size(0) - 1);
  return at::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

}  // namespace

TableScale::TableScale(const at::Tensor& samples) {
  constexpr double kMostSpreads = 20;
  const at::Tensor x = samples.to(at::kDouble);
  const at::Tensor median = Quantile(x, 0.5);
  const at::Tensor spread = Quantile((x - median).abs(), 0.75);
  // Where three quarters of the samples are alike, the others are no outliers: a rare category.
  const at::Tensor reach =
      at::where(spread.gt(0), kMostSpreads * spread, at::full_like(spread, INFINITY));
  lowest_ = median - reach;
  highest_ = median + reach;
  const at::Tensor clipped = at::minimum(at::maximum(x, lowest_), highest_);
  for (size_t i = 0; i < kTableTransforms; ++i) {
    scales_[i] = shift::OwnScale(Transformed(clipped, i));
  }
}

at::Tensor TableScale::Apply(const at::Tensor& samples, size_t transform) const {
  const at::Tensor clipped = at::minimum(at::maximum(samples.to(at::kDouble), lowest_), highest_);
  return scales_[transform].Apply(Transformed(clipped, transform));
}

absl::StatusOr<TableModel> TableModel::Fit(const std::vector<data::Batch>& domains,
                                           const std::vector<TableScale>& scales, int64_t classes,
                                           train::StopSignal& stop) {
  std::vector<at::Tensor> labels;
  for (const data::Batch& domain : domains) labels.push_back(domain.labels);
  const at::Tensor all_labels = at::cat(labels);
  TableModel model;
  for (size_t transform = 0; transform < kTableTransforms; ++transform) {
    std::vector<at::Tensor> inputs;
    for (size_t i = 0; i < domains.size(); ++i) {
      inputs.push_back(scales[i].Apply(domains[i].inputs, transform));
    }
    const at::Tensor all_inputs = at::cat(inputs);
    for (const double inverse_penalty : kInversePenalties) {
      if (absl::Status status = stop.Check(); !status.ok()) return status;
      model.classifiers_[transform].push_back(
          shift::FitLogisticClassifier(all_inputs, all_labels, classes, inverse_penalty));
    }
  }
  return model;
}

at::Tensor TableModel::Probabilities(const at::Tensor& samples, const TableScale& scale) const {
  const at::NoGradGuard no_grad;
  at::Tensor sum;
  for (size_t transform = 0; transform < kTableTransforms; ++transform) {
    const at::Tensor x = scale.Apply(samples, transform);
    for (const shift::LinearClassifier& classifier : classifiers_[transform]) {
      const at::Tensor probabilities = classifier.Logits(x).softmax(1);
      sum = sum.defined() ? sum + probabilities : probabilities;
    }
  }
  return sum / static_cast<double>(kTableTransforms * classifiers_[0].size());
}

at::Tensor TableModel::AdjustedProbabilities(const at::Tensor& samples, const TableScale& scale,
                                             int64_t neighbors) const {
  constexpr double kLeast = 1e-30;
  const at::NoGradGuard no_grad;
  const at::Tensor log_probabilities = Probabilities(samples, scale).clamp_min(kLeast).log();
  const at::Tensor nearest =
      NearestNeighbors(scale.Apply(samples, kTableTransforms - 1), neighbors, Nearness::kDistance);
  return LaplacianAdjustment(log_probabilities, nearest, /*weight=*/1.0, Affinity::kSymmetric)
      .probabilities;
}

}  // namespace acclimate::methods
