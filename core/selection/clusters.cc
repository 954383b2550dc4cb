#include "core/selection/clusters.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

#include "core/losses/unit_rows.h"

namespace acclimate::selection {
namespace {

constexpr int kStarts = 3;
constexpr int kMostIterations = 50;
constexpr uint64_t kClusterSeed = 1;
constexpr double kNoDivisionByZero = 1e-12;

std::vector<int64_t> ToVector(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.contiguous();
  const int64_t* const values = contiguous.data_ptr<int64_t>();
  return std::vector<int64_t>(values, values + contiguous.numel());
}

std::vector<int64_t> NonZero(const std::vector<int64_t>& counts) {
  std::vector<int64_t> kept;
  std::copy_if(counts.begin(), counts.end(), std::back_inserter(kept),
               [](int64_t count) { return count > 0; });
  return kept;
}

double EntropyOf(const std::vector<int64_t>& counts, double total) {
  double entropy = 0;
  for (const int64_t count : counts) entropy -= count / total * std::log(count / total);
  return entropy;
}

// E[I] when the labels are permuted: the hypergeometric model of Vinh et al., equation 24a.
double ExpectedInformation(const std::vector<int64_t>& a, const std::vector<int64_t>& b,
                           int64_t total) {
  std::vector<double> log_factorial(total + 1, 0.0);
  for (int64_t i = 2; i <= total; ++i) log_factorial[i] = log_factorial[i - 1] + std::log(i);
  const auto& f = log_factorial;
  double expected = 0;
  for (const int64_t x : a) {
    for (const int64_t y : b) {
      const double fixed = f[x] + f[y] + f[total - x] + f[total - y] - f[total];
      for (int64_t n = std::max<int64_t>(1, x + y - total); n <= std::min(x, y); ++n) {
        const double share = static_cast<double>(n) / total;
        const double information =
            std::log(static_cast<double>(total)) + std::log(n) - std::log(x) - std::log(y);
        const double probability =
            std::exp(fixed - f[n] - f[x - n] - f[y - n] - f[total - x - y + n]);
        expected += share * information * probability;
      }
    }
  }
  return expected;
}

// Squared distances [N, K] of points to centres.
at::Tensor SquaredDistances(const at::Tensor& points, const at::Tensor& centres) {
  return (points.square().sum(1, true) + centres.square().sum(1).unsqueeze(0) -
          2 * points.mm(centres.t()))
      .clamp_min_(0.0);
}

at::Tensor SpreadCentres(const at::Tensor& points, int64_t k, at::Generator& generator) {
  const int64_t first =
      at::randint(points.size(0), {1}, generator, at::TensorOptions(at::kLong)).item<int64_t>();
  std::vector<at::Tensor> centres = {points[first]};
  at::Tensor nearest = SquaredDistances(points, points[first].unsqueeze(0)).squeeze(1);
  while (static_cast<int64_t>(centres.size()) < k) {
    // Where every point is a centre already, any will do.
    const at::Tensor weights = nearest.to(at::kDouble) + kNoDivisionByZero;
    const int64_t next = weights.multinomial(1, true, generator).item<int64_t>();
    centres.push_back(points[next]);
    nearest = at::minimum(nearest, SquaredDistances(points, points[next].unsqueeze(0)).squeeze(1));
  }
  return at::stack(centres);
}

}  // namespace

double AdjustedMutualInformation(const at::Tensor& a, const at::Tensor& b) {
  const int64_t total = a.size(0);
  const int64_t columns = b.max().item<int64_t>() + 1;
  const int64_t rows = a.max().item<int64_t>() + 1;
  const std::vector<int64_t> cells = ToVector((a * columns + b).bincount({}, rows * columns));
  std::vector<int64_t> in_a(rows, 0), in_b(columns, 0);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      in_a[i] += cells[i * columns + j];
      in_b[j] += cells[i * columns + j];
    }
  }
  const std::vector<int64_t> x = NonZero(in_a), y = NonZero(in_b);
  if (x.size() < 2 || y.size() < 2) return 0;
  const double n = static_cast<double>(total);
  const double entropies = EntropyOf(x, n) + EntropyOf(y, n);
  const double information = entropies - EntropyOf(NonZero(cells), n);
  const double expected = ExpectedInformation(x, y, total);
  const double room = entropies / 2 - expected;
  return std::abs(room) < kNoDivisionByZero ? 0 : (information - expected) / room;
}

at::Tensor KMeans(const at::Tensor& points, int64_t k, uint64_t seed) {
  k = std::min(k, points.size(0));
  at::Generator generator = at::detail::createCPUGenerator(seed);
  at::Tensor best;
  double least = std::numeric_limits<double>::infinity();
  for (int start = 0; start < kStarts; ++start) {
    at::Tensor centres = SpreadCentres(points, k, generator);
    at::Tensor clusters, distances;
    for (int iteration = 0; iteration < kMostIterations; ++iteration) {
      auto [nearest, index] = SquaredDistances(points, centres).min(1);
      const bool settled = clusters.defined() && clusters.equal(index);
      clusters = index;
      distances = nearest;
      if (settled) break;
      const at::Tensor members = at::one_hot(clusters, k).to(points.scalar_type());
      const at::Tensor counts = members.sum(0).unsqueeze(1);
      // An empty cluster keeps its centre.
      centres = at::where(counts.gt(0), members.t().mm(points) / counts.clamp_min(1), centres);
    }
    const double squares = distances.to(at::kDouble).sum().item<double>();
    if (squares < least) {
      least = squares;
      best = clusters;
    }
  }
  return best;
}

double ClassAmi(const at::Tensor& features, const at::Tensor& logits) {
  const at::Tensor predicted = logits.argmax(1);
  if (predicted.eq(predicted[0]).all().item<bool>()) return 0;
  return AdjustedMutualInformation(
      predicted, KMeans(losses::UnitRows(features), logits.size(1), kClusterSeed));
}

double Silhouette(const at::Tensor& features, const at::Tensor& logits) {
  const at::Tensor predicted = logits.argmax(1);
  const at::Tensor members = at::one_hot(predicted, logits.size(1)).to(at::kDouble);
  const at::Tensor counts = members.sum(0);  // [C]
  if (counts.gt(0).sum().item<int64_t>() < 2) return -1;
  const at::Tensor unit = losses::UnitRows(features);
  at::Tensor distances = SquaredDistances(unit, unit).sqrt_().to(at::kDouble);
  distances.fill_diagonal_(0.0);
  const at::Tensor sums = distances.mm(members);  // [N, C]
  const at::Tensor own_count = counts.index_select(0, predicted);
  const at::Tensor own =
      sums.gather(1, predicted.unsqueeze(1)).squeeze(1) / (own_count - 1).clamp_min(1);
  at::Tensor others = sums / counts.clamp_min(1);
  others.masked_fill_(members.gt(0) | counts.eq(0).unsqueeze(0),
                      std::numeric_limits<double>::infinity());
  const at::Tensor nearest = others.amin(1);
  const at::Tensor scores =
      (nearest - own) / at::maximum(nearest, own).clamp_min(kNoDivisionByZero);
  return at::where(own_count.gt(1), scores, at::zeros_like(scores)).mean().item<double>();
}

}  // namespace acclimate::selection
