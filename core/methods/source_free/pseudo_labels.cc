#include "core/methods/source_free/pseudo_labels.h"

#include <ATen/ATen.h>

#include "core/losses/unit_rows.h"

namespace acclimate::methods {
namespace {

constexpr double kNoDivisionByZero = 1e-8;

// The classes that have samples: those without have no centroid.
at::Tensor ClassesIn(const at::Tensor& labels, int64_t num_classes) {
  return labels.bincount({}, num_classes).gt(0).nonzero().squeeze(1);
}

// The nearest of the centroids of `classes` by cosine, with samples weighted as in weights [N, C].
at::Tensor NearestCentroid(const at::Tensor& unit_features, const at::Tensor& weights,
                           const at::Tensor& classes) {
  const at::Tensor centroids =
      weights.t().mm(unit_features) / (weights.sum(0).unsqueeze(1) + kNoDivisionByZero);
  const at::Tensor similarity =
      unit_features.mm(losses::UnitRows(centroids.index_select(0, classes)).t());
  return classes.index_select(0, similarity.argmax(1));
}

}  // namespace

at::Tensor PseudoLabels(const at::Tensor& features, const at::Tensor& probabilities) {
  const int64_t num_classes = probabilities.size(1);
  const at::Tensor unit_features =
      losses::UnitRows(at::cat({features, at::ones({features.size(0), 1}, features.options())}, 1));
  const at::Tensor classes = ClassesIn(probabilities.argmax(1), num_classes);
  const at::Tensor first = NearestCentroid(unit_features, probabilities, classes);
  return NearestCentroid(unit_features, at::one_hot(first, num_classes).to(features.dtype()),
                         ClassesIn(first, num_classes));
}

}  // namespace acclimate::methods
