#include "core/data/augment/augmentation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace acclimate::data {
namespace {

Dataset Samples(const at::Tensor& inputs) {
  return Dataset::FromTensors(inputs, {}, "test").value();
}

AugmentationOptions Options() {
  AugmentationOptions options;
  options.images.flip = 1;
  options.series.masking = 1;
  return options;
}

TEST(AugmentationTest, KnowsTheKindOfDataByItsShape) {
  const at::Tensor images = at::rand({4, 1, 5, 6});
  const auto of_images = Augmentation::Create(Options(), Samples(images), at::kCPU);
  ASSERT_TRUE(of_images.ok());
  EXPECT_TRUE(at::allclose(of_images->View(images), images.flip(3), 1e-5, 1e-5));

  // Everything masked: each feature is its mean over the data set, not over the batch.
  const at::Tensor vectors = at::randn({5000, 3});
  const auto of_vectors = Augmentation::Create(Options(), Samples(vectors), at::kCPU);
  ASSERT_TRUE(of_vectors.ok());
  const at::Tensor sampled = vectors.index_select(0, at::arange(0, 5000, 2));
  const at::Tensor means = sampled.mean(0).expand({4, 3});
  EXPECT_TRUE(at::allclose(of_vectors->View(vectors.narrow(0, 0, 4)), means, 1e-4, 1e-5));

  const at::Tensor series = at::randn({10, 2, 8});
  const auto of_series = Augmentation::Create({}, Samples(series), at::kCPU);
  ASSERT_TRUE(of_series.ok());
  EXPECT_TRUE(of_series->View(series).equal(series));
}

TEST(AugmentationTest, RefusesOtherShapes) {
  const auto status =
      Augmentation::Create({}, Samples(at::rand({2, 1, 2, 2, 2})), at::kCPU).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("[1, 2, 2, 2]"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace acclimate::data
