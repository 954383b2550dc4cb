#include "core/losses/elastic_penalty.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

TEST(ElasticPenaltyTest, EqualsItsDefinition) {
  const at::Tensor theta = Normal({3, 2}), anchor = Normal({3, 2}),
                   importance = Normal({3, 2}).abs();
  double expected = 0;
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 2; ++j) {
      const double distance = theta[i][j].item<double>() - anchor[i][j].item<double>();
      expected += importance[i][j].item<double>() * distance * distance / 2;
    }
  }
  // "free" has no importance.
  const at::Tensor penalty =
      ElasticPenalty({{"w", theta}, {"free", Normal({4})}}, {{"w", anchor}}, {{"w", importance}});
  EXPECT_NEAR(penalty.item<double>(), expected, 1e-12);
  EXPECT_EQ(ElasticPenalty({{"w", anchor}}, {{"w", anchor}}, {{"w", importance}}).item<double>(),
            0);
}

TEST(ElasticPenaltyTest, GradientIsRight) {
  const at::Tensor anchor = Normal({5}), importance = Normal({5}).abs();
  ExpectGradient(
      [&](const at::Tensor& probe) {
        return ElasticPenalty({{"w", probe}}, {{"w", anchor}}, {{"w", importance}});
      },
      Normal({5}));
}

}  // namespace
}  // namespace acclimate::losses
