#include "core/shift/active_request.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/core/normal_samples.h"

namespace acclimate::shift {
namespace {

using ::acclimate::testing::Normal;

double Distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).square().sum().item<double>();
}

double MeanDistance(const at::Tensor& x) {
  double sum = 0;
  for (int64_t i = 0; i < x.size(0); ++i) {
    for (int64_t j = 0; j < x.size(0); ++j) sum += Distance(x[i], x[j]);
  }
  return sum / (x.size(0) * x.size(0));
}

TEST(DensityTest, EqualsItsDefinition) {
  const at::Tensor points = Normal({5, 3}, 1) + 2, sample = Normal({9, 3}, 2) + 2;
  const double width = 0.1 * MeanDistance(sample);
  const at::Tensor density = Density(points, sample);
  for (int64_t i = 0; i < 5; ++i) {
    double expected = 0;
    for (int64_t j = 0; j < 9; ++j)
      expected += std::exp(-Distance(points[i], sample[j]) / width) / 9;
    EXPECT_NEAR(density[i].item<double>(), expected, 1e-12);
  }
}

TEST(DoubtFromLabelsTest, EqualsItsDefinition) {
  const at::Tensor points = Normal({8, 2}, 1), labelled = Normal({4, 2}, 2);
  const at::Tensor wrong = at::tensor({1.0, 0.0, 1.0, 0.0}, at::kDouble);
  const double width = 0.1 * MeanDistance(points);
  const at::Tensor doubt = DoubtFromLabels(points, labelled, wrong);
  for (int64_t i = 0; i < 8; ++i) {
    double wrong_weight = 0, weight = 1;
    for (int64_t j = 0; j < 4; ++j) {
      const double kernel = std::exp(-Distance(points[i], labelled[j]) / width);
      wrong_weight += kernel * wrong[j].item<double>();
      weight += kernel;
    }
    EXPECT_NEAR(doubt[i].item<double>(), wrong_weight / weight, 1e-12);
  }
}

// Greedy over the definition, each score computed anew.
std::vector<int64_t> BruteForce(const at::Tensor& x, const at::Tensor& doubt,
                                const at::Tensor& density, int64_t count,
                                std::vector<at::Tensor> known) {
  std::vector<int64_t> chosen;
  for (int64_t round = 0; round < count; ++round) {
    double best = -1;
    int64_t index = -1;
    for (int64_t i = 0; i < x.size(0); ++i) {
      if (std::count(chosen.begin(), chosen.end(), i) > 0) continue;
      double nearest = known.empty() ? 1 : INFINITY;
      for (const at::Tensor& k : known) nearest = std::min(nearest, Distance(x[i], k));
      const double score = (doubt[i].item<double>() + 0.05) * density[i].item<double>() * nearest;
      if (score > best) {
        best = score;
        index = i;
      }
    }
    chosen.push_back(index);
    known.push_back(x[index]);
  }
  return chosen;
}

std::vector<int64_t> Indices(const ActiveRequest& request) {
  const int64_t* const begin = request.index.data_ptr<int64_t>();
  return std::vector<int64_t>(begin, begin + request.index.numel());
}

TEST(ChooseRequestsTest, EqualsGreedyChoiceByDefinition) {
  const at::Tensor x = Normal({40, 3}, 1), doubt = Normal({40}, 2).sigmoid();
  const at::Tensor density = Normal({40}, 3).sigmoid(), labelled = Normal({3, 3}, 4);
  EXPECT_EQ(Indices(ChooseRequests(x, doubt, density, 7)), BruteForce(x, doubt, density, 7, {}));
  EXPECT_EQ(Indices(ChooseRequests(x, doubt, density, 7, labelled)),
            BruteForce(x, doubt, density, 7, {labelled[0], labelled[1], labelled[2]}));
}

TEST(ChooseRequestsTest, GivesEachSampleOnceAndAllWhenAskedForMore) {
  const at::Tensor x = at::zeros({6, 2});  // all alike: no distance is left after the first
  const ActiveRequest request = ChooseRequests(x, at::rand({6}), at::ones({6}), 10);
  std::vector<int64_t> indices = Indices(request);
  std::sort(indices.begin(), indices.end());
  EXPECT_EQ(indices, std::vector<int64_t>({0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(request.score.size(0), 6);
}

}  // namespace
}  // namespace acclimate::shift
