#include "core/shift/concept_test.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/shift/output_measures.h"
#include "tests/core/normal_samples.h"

namespace acclimate::shift {
namespace {

using ::acclimate::testing::Normal;

at::Generator SeededForDraws(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

TEST(OverlapWeightsTest, AreTheRatioOfTheDensitiesUpToOne) {
  DomainClassification domains;
  domains.source_log_odds = at::tensor({-1.0, 0.5});
  domains.target_log_odds = at::tensor({2.0, -3.0, 2000.0});
  const OverlapWeights weights = WeighOverlap(domains);
  EXPECT_NEAR(weights.source[0].item<double>(), std::exp(-1.0), 1e-6);
  EXPECT_EQ(weights.source[1].item<double>(), 1);
  EXPECT_NEAR(weights.target[0].item<double>(), std::exp(-2.0), 1e-6);
  EXPECT_EQ(weights.target[1].item<double>(), 1);
  EXPECT_GT(weights.target[2].item<double>(), 0);
}

TEST(LabelTestTest, LossesEqualTheirDefinition) {
  const at::Tensor p = Normal({6, 3}, 1).softmax(1);
  const at::Tensor labels = at::tensor({0, 1, 2, 2, 1, 0}, at::kLong);
  const at::Tensor weights = at::tensor({1.0, 0.5, 0.2, 1.0, 0.7, 0.1}, at::kDouble);
  double loss = 0, expected_loss = 0, total = 0;
  for (int64_t i = 0; i < 6; ++i) {
    const double w = weights[i].item<double>();
    loss -= w * std::log(p[i][labels[i].item<int64_t>()].item<double>());
    for (int64_t c = 0; c < 3; ++c) {
      const double share = p[i][c].item<double>();
      expected_loss -= w * share * std::log(share);
    }
    total += w;
  }
  const LabelTest test = TestLabels(p, labels, weights, 20000, SeededForDraws(0));
  EXPECT_NEAR(test.log_loss, loss / total, 1e-12);
  EXPECT_NEAR(test.expected_log_loss, expected_loss / total, 0.02);
}

// Two samples, one draw of labels each: four outcomes, of which those at least as bad as the given
// one have a probability that can be written down.
TEST(LabelTestTest, PValueIsThatOfAllOutcomes) {
  const at::Tensor p = at::tensor({0.8, 0.2, 0.7, 0.3}, at::kDouble).view({2, 2});
  const at::Tensor labels = at::tensor({0, 1}, at::kLong);  // -ln 0.8 - ln 0.3
  // As bad or worse: (0, 1) itself and (1, 1); (1, 0) has 0.2 * 0.7 < 0.8 * 0.3, worse too.
  const double expected = 0.8 * 0.3 + 0.2 * 0.3 + 0.2 * 0.7;
  const LabelTest test =
      TestLabels(p, labels, at::ones({2}, at::kDouble), 20000, SeededForDraws(0));
  EXPECT_NEAR(test.p_value, expected, 0.02);
}

TEST(LabelTestTest, KeepsItsLevelAndSeesPermutedLabels) {
  int rejected = 0, seen = 0;
  constexpr int kDraws = 200;
  for (int i = 0; i < kDraws; ++i) {
    const at::Tensor p = (Normal({30, 3}, i) * 2).softmax(1);
    const at::Tensor labels = at::multinomial(p, 1, true, SeededForDraws(1000 + i)).squeeze(1);
    const at::Tensor ones = at::ones({30}, at::kDouble);
    rejected += TestLabels(p, labels, ones, 200, SeededForDraws(i)).p_value <= 0.1;
    const at::Tensor moved = (labels + 1).remainder(3);
    seen += i < 20 && TestLabels(p, moved, ones, 200, SeededForDraws(i)).p_value < 0.01;
  }
  EXPECT_NEAR(rejected, 0.1 * kDraws, 4 * std::sqrt(0.09 * kDraws));
  EXPECT_EQ(seen, 20);
}

// Only samples with weight decide.
TEST(LabelTestTest, IgnoresWhatLiesOutsideTheOverlap) {
  const at::Tensor p = at::tensor({0.95, 0.05}, at::kDouble).expand({40, 2}).contiguous();
  at::Tensor labels = at::zeros({40}, at::kLong), weights = at::ones({40}, at::kDouble);
  labels.narrow(0, 0, 20).fill_(1);
  EXPECT_LT(TestLabels(p, labels, weights, 500, SeededForDraws(0)).p_value, 0.01);
  weights.narrow(0, 0, 20).fill_(1e-6);
  EXPECT_GT(TestLabels(p, labels, weights, 500, SeededForDraws(0)).p_value, 0.05);
}

TEST(ConfidenceTestTest, IsTheWeightedZTest) {
  const at::Tensor a = Normal({80}, 1), b = Normal({60}, 2) + 0.3;
  const OverlapWeights weights{Normal({80}, 3).sigmoid(), Normal({60}, 4).sigmoid()};
  const auto moments = [](const at::Tensor& x, const at::Tensor& w) {
    double sum = 0, total = 0, squares = 0;
    for (int64_t i = 0; i < x.size(0); ++i) {
      sum += x[i].item<double>() * w[i].item<double>();
      total += w[i].item<double>();
    }
    for (int64_t i = 0; i < x.size(0); ++i) {
      squares += std::pow(w[i].item<double>() * (x[i].item<double>() - sum / total), 2);
    }
    return std::pair<double, double>(sum / total, squares / (total * total));
  };
  const auto [mean_a, error_a] = moments(a, weights.source);
  const auto [mean_b, error_b] = moments(b, weights.target);
  const double z = (mean_b - mean_a) / std::sqrt(error_a + error_b);
  const ConfidenceTest test = TestConfidence(a, b, weights);
  EXPECT_NEAR(test.source_entropy, mean_a, 1e-12);
  EXPECT_NEAR(test.target_entropy, mean_b, 1e-12);
  EXPECT_NEAR(test.p_value, 1 - 0.5 * (1 + std::erf(z / std::sqrt(2.0))), 1e-9);
}

TEST(ConfidenceTestTest, OnlyADropCounts) {
  const at::Tensor low = Normal({100}, 1), high = Normal({100}, 2) + 2;
  const OverlapWeights even{at::ones({100}), at::ones({100})};
  EXPECT_LT(TestConfidence(low, high, even).p_value, 1e-6);
  EXPECT_GT(TestConfidence(high, low, even).p_value, 1 - 1e-6);
  EXPECT_EQ(TestConfidence(at::ones({5}), at::ones({5}), {at::ones({5}), at::ones({5})}).p_value,
            1);
}

TEST(WeighLabelsTest, CountsTheOverlapAndComparesAccuracyWithConfidence) {
  const at::Tensor logits = at::tensor({2.0, 0.0}, at::kFloat).expand({40, 2}).contiguous();
  at::Tensor labels = at::zeros({40}, at::kLong), weights = at::full({40}, 0.5, at::kDouble);
  labels.narrow(0, 0, 10).fill_(1);
  const LabelEvidence evidence =
      WeighLabels(logits, labels, weights, {2.0, {}}, 500, SeededForDraws(0));
  EXPECT_NEAR(evidence.samples, 20, 1e-9);
  EXPECT_NEAR(evidence.accuracy, 0.75, 1e-9);
  EXPECT_NEAR(evidence.expected_accuracy, 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_GT(evidence.p_value, 0.05);
}

}  // namespace
}  // namespace acclimate::shift
