// SHOT's pseudo-labels (Liang et al., ICML 2020, section 3.3) in plain loops.
#ifndef ACCLIMATE_TESTS_CORE_METHODS_PLAIN_PSEUDO_LABELS_H_
#define ACCLIMATE_TESTS_CORE_METHODS_PLAIN_PSEUDO_LABELS_H_

#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include <ATen/ATen.h>

namespace acclimate::testing {

using Rows = std::vector<std::vector<double>>;

inline Rows RowsOf(const at::Tensor& tensor) {
  Rows rows;
  for (int64_t i = 0; i < tensor.size(0); ++i) {
    rows.emplace_back();
    for (int64_t j = 0; j < tensor.size(1); ++j) rows[i].push_back(tensor[i][j].item<double>());
  }
  return rows;
}

inline double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The class of the centroid at the least cosine distance. A class without weight has no centroid.
inline std::vector<int64_t> NearestCentroids(const Rows& features, const Rows& weights,
                                             const std::set<int64_t>& classes) {
  std::vector<int64_t> nearest(features.size(), -1);
  std::vector<double> least(features.size(), INFINITY);
  for (const int64_t c : classes) {
    std::vector<double> centroid(features[0].size(), 0.0);
    double total = 0;
    for (size_t i = 0; i < features.size(); ++i) {
      total += weights[i][c];
      for (size_t j = 0; j < centroid.size(); ++j) centroid[j] += weights[i][c] * features[i][j];
    }
    if (total == 0) continue;
    const double length = std::sqrt(Dot(centroid, centroid));
    for (size_t i = 0; i < features.size(); ++i) {
      const double distance =
          1 - Dot(features[i], centroid) / (std::sqrt(Dot(features[i], features[i])) * length);
      if (distance < least[i]) {
        least[i] = distance;
        nearest[i] = c;
      }
    }
  }
  return nearest;
}

// features: [N, D], probabilities: [N, C].
inline std::vector<int64_t> PlainPseudoLabels(const at::Tensor& features,
                                              const at::Tensor& probabilities, int rounds = 2) {
  Rows extended = RowsOf(features);
  for (std::vector<double>& row : extended) {
    row.push_back(1.0);
    const double length = std::sqrt(Dot(row, row));
    for (double& value : row) value /= length;
  }
  Rows weights = RowsOf(probabilities);
  std::set<int64_t> predicted;
  for (const std::vector<double>& row : weights) {
    int64_t best = 0;
    for (size_t c = 1; c < row.size(); ++c) {
      if (row[c] > row[best]) best = static_cast<int64_t>(c);
    }
    predicted.insert(best);
  }
  std::vector<int64_t> labels;
  for (int round = 0; round < rounds; ++round) {
    labels = NearestCentroids(extended, weights, predicted);
    for (size_t i = 0; i < weights.size(); ++i) {
      for (size_t c = 0; c < weights[i].size(); ++c) {
        weights[i][c] = labels[i] == static_cast<int64_t>(c) ? 1.0 : 0.0;
      }
    }
  }
  return labels;
}

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_METHODS_PLAIN_PSEUDO_LABELS_H_
