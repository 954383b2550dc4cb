#include "core/data/measured_normalization.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

namespace acclimate::data {
namespace {

Dataset DatasetOf(at::Tensor inputs) {
  return Dataset::FromTensors(std::move(inputs), {}, "x").value();
}

TEST(MeasuredNormalizationTest, IsTheMeanAndDeviationOfEachFeatureOfAllDatasets) {
  // More values than one part holds, with a mean that single precision would lose digits of.
  const at::Tensor values =
      at::randn({300'000, 4}) * at::tensor({1.0, 5.0, 0.01, 1000.0}) + at::tensor({3, 0, 0, 50000});
  const Dataset a = DatasetOf(values.slice(0, 0, 100'000)), b = DatasetOf(values.slice(0, 100'000));
  const Normalization measured = MeasureNormalization({&a, &b}).normalization;
  const at::Tensor exact = values.to(at::kFloat).to(at::kDouble);
  const at::Tensor mean = exact.mean(0), std = exact.std(0, /*unbiased=*/false);
  ASSERT_EQ(measured.mean.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(measured.mean[i], mean[i].item<double>(), 1e-9 * (1 + std::abs(measured.mean[i])));
    EXPECT_NEAR(measured.std[i], std[i].item<double>(), 1e-9 * measured.std[i]);
  }
}

TEST(MeasuredNormalizationTest, ImagesHaveOneValueAChannel) {
  const at::Tensor images = at::randint(0, 256, {50, 3, 8, 8}, at::kByte);
  const Dataset dataset = DatasetOf(images);
  const Normalization measured = MeasureNormalization({&dataset}).normalization;
  ASSERT_EQ(measured.mean.size(), 3u);
  const at::Tensor scaled = images.to(at::kDouble) / 255;
  EXPECT_NEAR(measured.mean[1], scaled.select(1, 1).mean().item<double>(), 1e-6);
  EXPECT_NEAR(measured.std[2], scaled.select(1, 2).std(false).item<double>(), 1e-6);
}

TEST(MeasuredNormalizationTest, AConstantFeatureIsNotBlownUp) {
  at::Tensor values = at::randn({100, 2});
  values.select(1, 1).fill_(0.1);
  const Dataset dataset = DatasetOf(values);
  EXPECT_EQ(MeasureNormalization({&dataset}).normalization.std[1], 1.0);
}

TEST(MeasuredNormalizationTest, TellsTheShareOfZeros) {
  const Dataset dataset = DatasetOf(at::eye(10));
  EXPECT_DOUBLE_EQ(MeasureNormalization({&dataset}).zero_share, 0.9);
}

}  // namespace
}  // namespace acclimate::data
