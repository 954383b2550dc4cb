#include "core/methods/source_free/pseudo_labels.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/methods/plain_pseudo_labels.h"

namespace acclimate::methods {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::Not;
using testing::PlainPseudoLabels;

std::vector<int64_t> Labels(const at::Tensor& features, const at::Tensor& probabilities) {
  const at::Tensor labels = PseudoLabels(features, probabilities);
  EXPECT_EQ(labels.scalar_type(), at::kLong);
  const at::Tensor plain = labels.contiguous();
  return {plain.data_ptr<int64_t>(), plain.data_ptr<int64_t>() + plain.numel()};
}

struct Draw {
  explicit Draw(int64_t seed) {
    at::manual_seed(seed);
    features = at::randn({60, 7}, at::kDouble);
    probabilities = (at::randn({60, 5}, at::kDouble) + features.narrow(1, 0, 5)).softmax(1);
  }
  at::Tensor features, probabilities;
};

TEST(PseudoLabelsTest, EqualPlainLoops) {
  bool second_round_matters = false;
  for (int64_t seed = 0; seed < 20; ++seed) {
    const Draw draw(seed);
    const auto expected = PlainPseudoLabels(draw.features, draw.probabilities);
    EXPECT_EQ(Labels(draw.features, draw.probabilities), expected) << "seed " << seed;
    second_round_matters |= expected != PlainPseudoLabels(draw.features, draw.probabilities, 1);
  }
  EXPECT_TRUE(second_round_matters);  // or a missing round would go unseen
}

TEST(PseudoLabelsTest, FeaturesAreExtendedByOne) {
  // Same direction, different length: only the extension tells the two groups apart.
  const at::Tensor features = at::tensor({0.1, 0.2, 5.0, 6.0}, at::kDouble).view({4, 1});
  const at::Tensor probabilities =
      at::tensor({0.9, 0.1, 0.8, 0.2, 0.2, 0.8, 0.1, 0.9}, at::kDouble).view({4, 2});
  EXPECT_THAT(Labels(features, probabilities), ::testing::ElementsAre(0, 0, 1, 1));
}

TEST(PseudoLabelsTest, ClassThatIsNeverPredictedIsNeverGiven) {
  Draw draw(1);
  draw.probabilities.select(1, 2).fill_(1e-3);
  const auto labels = Labels(draw.features, draw.probabilities);
  EXPECT_THAT(labels, Not(Contains(2)));
  EXPECT_EQ(labels, PlainPseudoLabels(draw.features, draw.probabilities));
}

TEST(PseudoLabelsTest, OneClassTakesAll) {
  Draw draw(2);
  draw.probabilities.select(1, 3).add_(2.0);
  EXPECT_THAT(Labels(draw.features, draw.probabilities), Each(3));
}

TEST(PseudoLabelsTest, SinglePrecisionWillDo) {
  const Draw draw(3);
  EXPECT_EQ(Labels(draw.features.to(at::kFloat), draw.probabilities.to(at::kFloat)),
            PlainPseudoLabels(draw.features, draw.probabilities));
}

// Class 2 is predicted once but nearest to nobody: it has no centroid in the second round, and must
// not win there as a vector of zeros at distance 1 from everything.
TEST(PseudoLabelsTest, ClassThatLostAllItsSamplesIsNotGiven) {
  std::vector<at::Tensor> features, probabilities;
  for (int i = 0; i < 10; ++i) {
    for (const double side : {1.0, -1.0}) {
      features.push_back(at::tensor({-500.0, side * 866.0}, at::kDouble));
      probabilities.push_back(side > 0 ? at::tensor({0.6, 0.0, 0.4}, at::kDouble)
                                       : at::tensor({0.0, 0.6, 0.4}, at::kDouble));
    }
  }
  features.push_back(at::tensor({1000.0, 1.0}, at::kDouble));
  probabilities.push_back(at::tensor({0.3, 0.3, 0.4}, at::kDouble));
  const at::Tensor f = at::stack(features), p = at::stack(probabilities);
  const auto expected = PlainPseudoLabels(f, p);
  ASSERT_THAT(expected, Not(Contains(2)));
  EXPECT_EQ(Labels(f, p), expected);
}

}  // namespace
}  // namespace acclimate::methods
