#include "core/data/augment/series_augmentation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

namespace acclimate::data {
namespace {

const SeriesAugmentation kEverything = {0.3, 0.2, 0.4};

class SeriesAugmentationTest : public ::testing::TestWithParam<std::vector<int64_t>> {
 protected:
  SeriesAugmentationTest() { at::manual_seed(5); }

  at::Tensor Inputs(int64_t count) const {
    std::vector<int64_t> sizes = GetParam();
    sizes.insert(sizes.begin(), count);
    return at::randn(sizes) * 3 + 5;
  }
};

TEST_P(SeriesAugmentationTest, EqualsSampleBySampleLoops) {
  const at::Tensor inputs = Inputs(5);
  const bool series = inputs.dim() == 3;
  const FeatureStatistics statistics = StatisticsOf(inputs);
  const SeriesTransform transform = DrawSeriesTransform(kEverything, inputs.sizes(), at::kCPU);
  const at::Tensor result = Apply(transform, statistics, inputs);
  ASSERT_EQ(result.sizes(), inputs.sizes());
  const int64_t rows = series ? inputs.size(1) : 1, length = inputs.size(inputs.dim() - 1);
  for (int64_t i = 0; i < inputs.size(0); ++i) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t place = 0; place < length; ++place) {
        const auto entry = [&](const at::Tensor& t) {
          return (series ? t[i][row][place] : t[i][place]).item<double>();
        };
        const auto statistic = [&](const at::Tensor& t) {
          return (series ? t[row][0] : t[place]).item<double>();
        };
        const double mean = statistic(statistics.mean);
        const double factor =
            (series ? transform.factor[i][row][0] : transform.factor[i][0]).item<double>();
        const bool masked =
            (series ? transform.masked[i][0][place] : transform.masked[i][place]).item<bool>();
        double expected = mean + factor * (entry(inputs) - mean) +
                          entry(transform.noise) * statistic(statistics.deviation);
        if (masked) expected = mean;
        EXPECT_NEAR(entry(result), expected, 1e-4);
      }
    }
  }
}

TEST_P(SeriesAugmentationTest, NothingIsChangedAtStrengthZero) {
  const at::Tensor inputs = Inputs(4);
  const SeriesTransform transform = DrawSeriesTransform({}, inputs.sizes(), at::kCPU);
  EXPECT_TRUE(Apply(transform, StatisticsOf(inputs), inputs).equal(inputs));
}

TEST_P(SeriesAugmentationTest, TheSeedDecidesAndSamplesDiffer) {
  at::Tensor inputs = Inputs(3);
  inputs.copy_(inputs[0].clone().unsqueeze(0));
  const FeatureStatistics statistics = StatisticsOf(Inputs(50));
  const auto view = [&] {
    return Apply(DrawSeriesTransform(kEverything, inputs.sizes(), at::kCPU), statistics, inputs);
  };
  at::manual_seed(9);
  const at::Tensor first = view();
  at::manual_seed(9);
  EXPECT_TRUE(view().equal(first));
  EXPECT_FALSE(view().equal(first));
  EXPECT_FALSE(at::allclose(first[0], first[1], 1e-2, 1e-2));
}

INSTANTIATE_TEST_SUITE_P(Kinds, SeriesAugmentationTest,
                         ::testing::Values(std::vector<int64_t>{7}, std::vector<int64_t>{3, 12}));

TEST(SeriesTransformTest, DrawsAreWithinTheirRanges) {
  at::manual_seed(6);
  const SeriesTransform vectors = DrawSeriesTransform(kEverything, {4000, 10}, at::kCPU);
  EXPECT_NEAR(vectors.noise.std().item<double>(), 0.3, 0.01);
  EXPECT_NEAR(vectors.factor.mean().item<double>(), 1, 0.02);
  EXPECT_NEAR(vectors.factor.std().item<double>(), 0.2, 0.02);
  EXPECT_NEAR(vectors.masked.to(at::kDouble).mean().item<double>(), 0.4, 0.02);

  // Series: one window a sample, at most masking of the length.
  const SeriesTransform series = DrawSeriesTransform(kEverything, {4000, 2, 50}, at::kCPU);
  const at::Tensor masked = series.masked.squeeze(1).to(at::kInt);
  const at::Tensor lengths = masked.sum(1);
  EXPECT_LE(lengths.max().item<int64_t>(), 20);
  EXPECT_GE(lengths.max().item<int64_t>(), 19);
  const at::Tensor edges = masked.diff(1, 1).ne(0).sum(1);
  EXPECT_LE(edges.max().item<int64_t>(), 2);
  EXPECT_GT(masked.select(1, 0).sum().item<int64_t>(), 0);
  EXPECT_GT(masked.select(1, 49).sum().item<int64_t>(), 0);
}

}  // namespace
}  // namespace acclimate::data
