#include "core/methods/representation/representation_probe.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tests/core/job/synthetic.h"

namespace acclimate::methods {
namespace {

LabelledFeatures Clouds(int64_t samples, uint64_t seed) {
  const testing::Domain domain = testing::MakeDomain(samples, {5}, seed, 4);
  return {domain.inputs, domain.labels};
}

int64_t BruteForceNeighbour(const LabelledFeatures& fit, const at::Tensor& asked,
                            int64_t neighbours) {
  std::vector<std::pair<double, int64_t>> similar;
  for (int64_t i = 0; i < fit.features.size(0); ++i) {
    const double cosine = (fit.features[i] * asked).sum().item<double>() /
                          (fit.features[i].norm().item<double>() * asked.norm().item<double>());
    similar.emplace_back(cosine, fit.labels[i].item<int64_t>());
  }
  std::sort(similar.rbegin(), similar.rend());
  std::vector<double> votes(4);
  for (int64_t k = 0; k < neighbours; ++k) {
    votes[similar[k].second] += std::exp(similar[k].first / 0.07);
  }
  return std::max_element(votes.begin(), votes.end()) - votes.begin();
}

TEST(RepresentationProbeTest, NeighboursVoteAsDefined) {
  at::manual_seed(1);
  const LabelledFeatures fit = Clouds(40, 1);
  const at::Tensor asked = at::randn({1100, 5});  // more than are compared at once
  const at::Tensor predicted = NeighbourPredictions(fit, asked, 7);
  ASSERT_EQ(predicted.sizes(), at::IntArrayRef({1100}));
  for (int64_t i = 0; i < 1100; i += 60) {
    EXPECT_EQ(predicted[i].item<int64_t>(), BruteForceNeighbour(fit, asked[i], 7)) << i;
  }
}

TEST(RepresentationProbeTest, TheLinearClassifierIsAtItsMinimum) {
  // Scales of features that differ by orders of magnitude are no obstacle, and the result is the
  // same each time.
  const LabelledFeatures fit = Clouds(200, 1), rest = Clouds(200, 2);
  const at::Tensor scale = at::tensor({1e-3, 1.0, 1e3, 1.0, 10.0}, at::kFloat);
  const at::Tensor predicted = LinearProbePredictions(fit, rest.features);
  EXPECT_GT(predicted.eq(rest.labels).to(at::kDouble).mean().item<double>(), 0.85);
  const at::Tensor scaled =
      LinearProbePredictions({fit.features * scale, fit.labels}, rest.features * scale);
  EXPECT_GT(scaled.eq(predicted).to(at::kDouble).mean().item<double>(), 0.98);
  EXPECT_TRUE(LinearProbePredictions(fit, rest.features).equal(predicted));
}

}  // namespace
}  // namespace acclimate::methods
