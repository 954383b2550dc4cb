#include "core/selection/estimators/transportation.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <vector>

#include "tests/core/normal_samples.h"

namespace acclimate::selection {
namespace {

using ::acclimate::testing::Normal;

// The best of all ways to give each of N samples, split into parts of equal mass, the places of the
// classes: an optimum of the problem is among them where shares are whole numbers of parts.
double BestOfAll(const at::Tensor& scores, const std::vector<int64_t>& places) {
  std::vector<int64_t> classes;
  for (size_t c = 0; c < places.size(); ++c) classes.insert(classes.end(), places[c], c);
  const int64_t parts = static_cast<int64_t>(classes.size()) / scores.size(0);
  double best = -1e300;
  do {
    double value = 0;
    for (size_t i = 0; i < classes.size(); ++i) {
      value += scores[static_cast<int64_t>(i) / parts][classes[i]].item<double>();
    }
    best = std::max(best, value / static_cast<double>(classes.size()));
  } while (std::next_permutation(classes.begin(), classes.end()));
  return best;
}

at::Tensor SharesOf(const std::vector<int64_t>& places) {
  return at::tensor(places, at::kLong).to(at::kDouble);
}

TEST(Transport, IsTheBestOfAllPlans) {
  const std::vector<std::vector<int64_t>> all_places = {
      {6, 0, 0}, {2, 2, 2}, {0, 1, 5}, {3, 3, 0}, {1, 1, 4}};
  for (size_t i = 0; i < all_places.size(); ++i) {
    const at::Tensor scores = Normal({6, 3}, 10 + i).to(at::kDouble).softmax(1);
    EXPECT_NEAR(Transport(scores, SharesOf(all_places[i])).value, BestOfAll(scores, all_places[i]),
                1e-9);
  }
}

TEST(Transport, SplitsSamples) {
  const std::vector<std::vector<int64_t>> all_places = {{3, 3, 2}, {1, 0, 7}, {5, 2, 1}};
  for (size_t i = 0; i < all_places.size(); ++i) {
    const at::Tensor scores = Normal({4, 3}, 20 + i).to(at::kDouble).softmax(1);
    EXPECT_NEAR(Transport(scores, SharesOf(all_places[i])).value, BestOfAll(scores, all_places[i]),
                1e-9);
  }
}

double Dual(const at::Tensor& scores, const at::Tensor& shares, const at::Tensor& prices) {
  return (std::get<0>((scores + prices).max(1)).mean() - shares.dot(prices)).item<double>();
}

// The dual is convex: prices that no step away improves are its minimum.
TEST(Transport, PricesMinimiseTheDual) {
  const at::Tensor scores = (3 * Normal({300, 12}, 30)).to(at::kDouble).softmax(1);
  const at::Tensor shares = Normal({12}, 31).to(at::kDouble).softmax(0);
  const Transportation transportation = Transport(scores, shares);
  EXPECT_NEAR(transportation.value, Dual(scores, shares, transportation.prices), 1e-12);
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const at::Tensor step = 0.01 * Normal({12}, 40 + seed).to(at::kDouble);
    EXPECT_GE(Dual(scores, shares, transportation.prices + step), transportation.value - 1e-9);
  }
}

TEST(Transport, OfOwnSharesIsTheMeanConfidence) {
  const at::Tensor scores = Normal({50, 4}, 50).to(at::kDouble).softmax(1);
  const at::Tensor counts = scores.argmax(1).bincount({}, 4).to(at::kDouble);
  EXPECT_NEAR(Transport(scores, counts).value, std::get<0>(scores.max(1)).mean().item<double>(),
              1e-9);
}

// All samples alike and sure: of what the shares allow them to keep, and no more.
TEST(Transport, OfOneSampleAgainAndAgain) {
  const at::Tensor scores = at::tensor({1.0, 0.0, 0.0}, at::kDouble).repeat({600, 1});
  EXPECT_NEAR(Transport(scores, at::ones({3})).value, 1.0 / 3, 1e-9);
}

TEST(Transport, OfAThousandClasses) {
  const at::Tensor scores = (4 * Normal({2000, 1000}, 60)).to(at::kDouble).softmax(1);
  const at::Tensor shares = at::full({1000}, 1e-3, at::kDouble);
  const Transportation transportation = Transport(scores, shares);
  EXPECT_LE(transportation.value, std::get<0>(scores.max(1)).mean().item<double>());
  EXPECT_NEAR(transportation.value, Dual(scores, shares, transportation.prices), 1e-12);
}

}  // namespace
}  // namespace acclimate::selection
