#include "core/methods/source_free/laplacian_adjustment.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace acclimate::methods {

at::Tensor NearestNeighbors(const at::Tensor& features, int64_t neighbors, Nearness nearness) {
  constexpr int64_t kRowsAtOnce = 512;
  const int64_t samples = features.size(0);
  const int64_t count = std::min(neighbors, samples - 1);
  const bool by_distance = nearness == Nearness::kDistance;
  const at::Tensor points =
      by_distance ? features : features / features.norm(2, {1}, true).clamp_min(1e-12);
  // |a - b|^2 = |a|^2 + 2 (|b|^2 / 2 - a . b): the order of b beside one a needs no |a|^2.
  const at::Tensor offset = by_distance ? points.square().sum(1) / 2 : at::Tensor();
  std::vector<at::Tensor> index;
  for (int64_t begin = 0; begin < samples; begin += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, samples - begin);
    at::Tensor similarity = points.narrow(0, begin, rows).mm(points.t());
    if (by_distance) similarity -= offset;
    similarity.narrow(1, begin, rows).fill_diagonal_(-std::numeric_limits<float>::infinity());
    index.push_back(std::get<1>(similarity.topk(count, 1)));
  }
  return at::cat(index);
}

LaplacianResult LaplacianAdjustment(const at::Tensor& log_probabilities,
                                    const at::Tensor& neighbors, double weight, Affinity affinity) {
  constexpr int64_t kMaxIterations = 100;
  constexpr double kTolerance = 1e-8;
  const at::Tensor unary = log_probabilities.to(at::kDouble);
  const bool symmetric = affinity == Affinity::kSymmetric;
  const auto pull = [&](const at::Tensor& y) {
    at::Tensor sum = at::zeros_like(y);
    for (int64_t k = 0; k < neighbors.size(1); ++k) {
      const at::Tensor neighbor = neighbors.select(1, k);
      sum += y.index_select(0, neighbor);
      if (symmetric) sum.index_add_(0, neighbor, y);
    }
    return (symmetric ? weight / 2 : weight) * sum;
  };
  LaplacianResult result;
  at::Tensor y = unary.exp();
  double energy = 0;
  while (result.iterations < kMaxIterations) {
    ++result.iterations;
    const at::Tensor pairwise = pull(y);
    const at::Tensor next = (unary + pairwise).log_softmax(1);
    y = next.exp();
    const double now = (y * (next - unary - pairwise)).sum().item<double>();
    if (result.iterations > 1 && std::abs(now - energy) <= kTolerance * std::abs(energy)) break;
    energy = now;
  }
  result.probabilities = y;
  return result;
}

}  // namespace acclimate::methods
