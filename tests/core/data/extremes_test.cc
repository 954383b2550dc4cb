#include "core/data/extremes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace acclimate::data
