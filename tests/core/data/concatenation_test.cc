#include "core/data/concatenation.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acclimate::data {
namespace {

using ::testing::HasSubstr;

Dataset Make(const at::Tensor& inputs, const std::string& name, bool labelled = true) {
  at::Tensor labels = labelled ? at::arange(inputs.size(0)) : at::Tensor();
  return Dataset::FromTensors(inputs, labels, name).value();
}

TEST(ConcatenateTest, KeepsOrderAndBytes) {
  at::Tensor a = at::full({2, 1, 3}, 255, at::kByte), b = at::full({3, 1, 3}, 51, at::kByte);
  absl::StatusOr<Dataset> all = Concatenate({Make(a, "a"), Make(b, "b")});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 5);
  EXPECT_EQ(all->name(), "a + b");
  EXPECT_EQ(all->stored_inputs().scalar_type(), at::kByte);
  EXPECT_TRUE(at::equal(all->labels(), at::tensor({0, 1, 0, 1, 2}, at::kLong)));
  Batch batch = all->Gather(at::tensor({1, 4}, at::kLong), at::kCPU);
  EXPECT_FLOAT_EQ(batch.inputs[0][0][0].item<float>(), 1.0f);
  EXPECT_FLOAT_EQ(batch.inputs[1][0][0].item<float>(), 0.2f);
}

TEST(ConcatenateTest, BytesBesideFloatsAreScaledToTheUnitInterval) {
  at::Tensor a = at::full({2, 3}, 255, at::kByte), b = at::full({2, 3}, 0.25);
  absl::StatusOr<Dataset> all = Concatenate({Make(a, "a"), Make(b, "b")});
  ASSERT_TRUE(all.ok()) << all.status();
  at::Tensor inputs = all->Slice(0, 4, at::kCPU).inputs;
  EXPECT_TRUE(at::equal(inputs.slice(0, 0, 2), at::ones({2, 3})));
  EXPECT_TRUE(at::equal(inputs.slice(0, 2, 4), at::full({2, 3}, 0.25)));
}

TEST(ConcatenateTest, NamesBothWhoseShapesDiffer) {
  absl::Status status =
      Concatenate({Make(at::ones({2, 1, 28, 28}), "mnist"), Make(at::ones({2, 3, 28, 28}), "svhn")})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("\"mnist\" [1, 28, 28] and \"svhn\" [3, 28, 28]"));
}

TEST(ConcatenateTest, RefusesNothingAndTheUnlabelled) {
  EXPECT_EQ(Concatenate({}).status().code(), absl::StatusCode::kInvalidArgument);
  absl::Status status =
      Concatenate({Make(at::ones({2, 3}), "a"), Make(at::ones({2, 3}), "b", false)}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("b: has no labels"));
}

}  // namespace
}  // namespace acclimate::data
