#include "core/losses/joint_mmd.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

double RowDistance(const at::Tensor& a, const at::Tensor& b) {
  double sum = 0;
  for (int64_t k = 0; k < a.size(0); ++k) {
    sum += std::pow(a[k].item<double>() - b[k].item<double>(), 2);
  }
  return sum;
}

double LayerScale(const at::Tensor& all, Bandwidth bandwidth) {
  std::vector<double> distances;
  double sum = 0;
  for (int64_t i = 0; i < all.size(0); ++i) {
    for (int64_t j = 0; j < all.size(0); ++j) {
      const double distance = RowDistance(all[i], all[j]);
      sum += distance;
      if (i < j) distances.push_back(distance);
    }
  }
  if (bandwidth == Bandwidth::kMean) return sum / (all.size(0) * all.size(0));
  std::sort(distances.begin(), distances.end());
  return distances[(distances.size() - 1) / 2];
}

std::vector<double> Scales(const std::vector<JointMmdLayer>& layers, Bandwidth bandwidth) {
  std::vector<double> scales;
  for (const JointMmdLayer& layer : layers) {
    scales.push_back(LayerScale(at::cat({layer.source, layer.target}), bandwidth));
  }
  return scales;
}

// The definition, pair by pair.
double BruteForceJointMmd(const std::vector<JointMmdLayer>& layers, const MkMmdOptions& options,
                          const std::vector<double>& scales) {
  const auto kernel = [&](at::Tensor JointMmdLayer::*a, int64_t i, at::Tensor JointMmdLayer::*b,
                          int64_t j) {
    double product = 1;
    for (size_t l = 0; l < layers.size(); ++l) {
      const double distance = RowDistance((layers[l].*a)[i], (layers[l].*b)[j]);
      if (layers[l].fixed_width > 0) {
        product *= std::exp(-distance / layers[l].fixed_width);
        continue;
      }
      double sum = 0;
      for (const double multiplier : options.bandwidth_multipliers) {
        sum += std::exp(-distance / (2 * multiplier * scales[l]));
      }
      product *= sum;
    }
    return product;
  };
  const auto mean = [&](at::Tensor JointMmdLayer::*a, at::Tensor JointMmdLayer::*b, bool same) {
    double sum = 0, pairs = 0;
    for (int64_t i = 0; i < (layers[0].*a).size(0); ++i) {
      for (int64_t j = 0; j < (layers[0].*b).size(0); ++j) {
        if (same && options.unbiased && i == j) continue;
        sum += kernel(a, i, b, j);
        ++pairs;
      }
    }
    return sum / pairs;
  };
  constexpr auto s = &JointMmdLayer::source, t = &JointMmdLayer::target;
  return mean(s, s, true) + mean(t, t, true) - 2 * mean(s, t, false);
}

class JointMmdTest : public ::testing::TestWithParam<MkMmdOptions> {
 protected:
  JointMmdTest() { at::manual_seed(16); }

  // Features, and probabilities under JAN's fixed width.
  std::vector<JointMmdLayer> Layers(int64_t n, int64_t m) const {
    return {{Normal({n, 4}) + 20, Normal({m, 4}) * 1.5 + 20.7},
            {Normal({n, 3}).softmax(1), Normal({m, 3}).softmax(1), 1.6928},
            {Normal({n, 2}), Normal({m, 2}) + 1}};
  }
};

TEST_P(JointMmdTest, EqualsItsDefinition) {
  for (auto [n, m] : {std::pair(5, 5), std::pair(4, 7), std::pair(6, 3)}) {
    const std::vector<JointMmdLayer> layers = Layers(n, m);
    EXPECT_NEAR(JointMmd(layers, GetParam()).item<double>(),
                BruteForceJointMmd(layers, GetParam(), Scales(layers, GetParam().bandwidth)),
                1e-11);
  }
}

TEST_P(JointMmdTest, GradientIsThatOfTheDefinitionWithTheBandwidthHeld) {
  const std::vector<JointMmdLayer> layers = Layers(3, 4);
  const std::vector<double> held = Scales(layers, GetParam().bandwidth);
  for (size_t l = 0; l < layers.size(); ++l) {
    for (at::Tensor JointMmdLayer::*side : {&JointMmdLayer::source, &JointMmdLayer::target}) {
      ExpectGradient(
          [&](const at::Tensor& probe) {
            std::vector<JointMmdLayer> probed = layers;
            probed[l].*side = probe;
            if (probe.requires_grad()) return JointMmd(probed, GetParam());
            return at::full({}, BruteForceJointMmd(probed, GetParam(), held), at::kDouble);
          },
          layers[l].*side, 1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Statistics, JointMmdTest,
                         ::testing::Values(MkMmdOptions{}, MkMmdOptions{{0.5, 2}, {}, true},
                                           MkMmdOptions{{0.5, 1}, Bandwidth::kMedian, false}));

TEST(JointMmdOneLayerTest, IsMkMmd) {
  at::manual_seed(17);
  const at::Tensor x = Normal({6, 4}), y = Normal({8, 4}) + 1;
  for (const Bandwidth bandwidth : {Bandwidth::kMean, Bandwidth::kMedian}) {
    MkMmdOptions options;
    options.bandwidth = bandwidth;
    EXPECT_NEAR(JointMmd({{x, y}}, options).item<double>(), MkMmd(x, y, options).item<double>(),
                1e-12);
  }
}

TEST(JointMmdVStatisticTest, IsExactlyZeroForIdenticalSamples) {
  const at::Tensor x = at::randn({37, 19}), p = at::randn({37, 5}).softmax(1);
  EXPECT_EQ(JointMmd({{x, x}, {p, p, 1.7}}).item<float>(), 0.0f);
}

TEST(JointMmdVStatisticTest, SeesADependenceThatTheLayersAloneDoNotShow) {
  // Both layers have the same distribution in both domains; only how they go together differs.
  at::manual_seed(18);
  const at::Tensor x = Normal({64, 2}), order = at::randperm(64);
  const JointMmdLayer first{x, x}, second{x, x.index_select(0, order)};
  EXPECT_LT(MkMmd(second.source, second.target).item<double>(), 1e-12);
  EXPECT_GT(JointMmd({first, second}).item<double>(), 0.1);
}

TEST(JointMmdEdgeTest, RefusesWhatItCannotDo) {
  const at::Tensor x = at::randn({4, 3}), y = at::randn({5, 3});
  EXPECT_THROW(JointMmd({}), c10::Error);
  EXPECT_THROW(JointMmd({{x, y}, {y, x}}), c10::Error);
  EXPECT_THROW(JointMmd({{x, at::randn({4, 2})}}), c10::Error);
}

}  // namespace
}  // namespace acclimate::losses
