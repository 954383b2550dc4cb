#include "core/data/extremes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <tuple>
#include <utility>

namespace acclimate::data {
namespace {

Dataset Of(at::Tensor inputs) { return Dataset::FromTensors(std::move(inputs), {}, "x").value(); }

// More than are looked at in one go.
TEST(ExtremesTest, TellsHowManySamplesAndWhereTheLargestIs) {
  at::Tensor inputs = at::ones({3000, 2, 400});
  inputs[7][0][3] = 120.0;
  inputs[7][1][5] = -130.0;
  inputs[2900][1][399] = -4000.0;
  inputs[2950][0][0] = 3999.0;
  const Extremes extremes = FindExtremes(Of(inputs), 100);
  EXPECT_EQ(extremes.samples, 3);
  EXPECT_EQ(extremes.sample, 2900);
  EXPECT_EQ(extremes.place, 799);
  EXPECT_EQ(extremes.value, -4000.0);
  EXPECT_EQ(FindExtremes(Of(inputs), 5000).samples, 0);
}

TEST(ExtremesTest, GoesByTheNormalisedValues) {
  Dataset dataset = Of(at::full({4, 2}, 1000.0f));
  ASSERT_TRUE(dataset.SetNormalization({{1000.0, 0.0}, {1.0, 1000.0}}).ok());
  EXPECT_EQ(FindExtremes(dataset, 100).samples, 0);
  ASSERT_TRUE(dataset.SetNormalization({{1000.0, 0.0}, {1.0, 1.0}}).ok());
  const Extremes extremes = FindExtremes(dataset, 100);
  EXPECT_EQ(extremes.samples, 4);
  EXPECT_EQ(extremes.place, 1);
}

TEST(ExtremesTest, BytesHaveNone) {
  EXPECT_EQ(FindExtremes(Of(at::full({2, 3}, 255, at::kByte)), 0.5).samples, 0);
}

TEST(UsualSamplesTest, LeaveOutThoseFarBeyondTheMedian) {
  at::Tensor inputs = at::ones({3000, 2, 400});
  inputs.select(0, 11).fill_(3);
  inputs[7][1][5] = -130.0;
  inputs[2900][1][399] = 4000.0;
  const at::Tensor usual = UsualSamples(Of(inputs), 20);
  ASSERT_EQ(usual.size(0), 2998);
  EXPECT_FALSE(usual.eq(7).logical_or(usual.eq(2900)).any().item<bool>());
  EXPECT_TRUE(usual.equal(std::get<0>(usual.sort())));
  EXPECT_EQ(UsualSamples(Of(inputs * 1000), 20).size(0), 2998);
}

TEST(UsualSamplesTest, AreAllWhereMostAreZeroAndOfBytes) {
  at::Tensor inputs = at::zeros({9, 2});
  inputs[4][0] = 5;
  EXPECT_EQ(UsualSamples(Of(inputs), 20).size(0), 9);
  EXPECT_EQ(UsualSamples(Of(at::full({2, 3}, 255, at::kByte)), 20).size(0), 2);
}

}  // namespace
}  // namespace acclimate::data
