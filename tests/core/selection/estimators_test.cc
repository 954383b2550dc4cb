// Each estimator of accuracy alone.
#include "core/selection/estimators/estimator.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "tests/core/normal_samples.h"

namespace acclimate::selection {
namespace {

using ::acclimate::testing::Normal;

constexpr int64_t kSamples = 2000, kClasses = 4;

// Classes in the given shares, each with logits of `sure` on average above the others', and noise.
Predictions Drawn(const at::Tensor& shares, double sure, uint64_t seed) {
  at::Generator random = at::detail::createCPUGenerator(seed);
  const at::Tensor labels = shares.multinomial(kSamples, true, random);
  const at::Tensor logits =
      sure * at::one_hot(labels, kClasses).to(at::kFloat) + Normal({kSamples, kClasses}, seed + 1);
  return {at::zeros({kSamples, 2}), logits, labels};
}

double Accuracy(const Predictions& predictions) {
  return predictions.logits.argmax(1).eq(predictions.labels).to(at::kDouble).mean().item<double>();
}

double Estimated(const std::string& name, const Evidence& evidence) {
  for (const Estimator& estimator : Estimators()) {
    if (estimator.name == name) return estimator.estimate(evidence);
  }
  ADD_FAILURE() << "no estimator " << name;
  return 0;
}

const at::Tensor& Even() {
  static const auto* const kEven = new at::Tensor(at::full({kClasses}, 0.25));
  return *kEven;
}

TEST(Evidence, TakesSharesHalfWayBetweenHomeAndThePredictions) {
  const at::Tensor shares = at::tensor({0.6, 0.2, 0.15, 0.05}, at::kFloat);
  const Predictions home = Drawn(Even(), 2.5, 1), target = Drawn(shares, 2.5, 2);
  const Evidence evidence = EvidenceOf(target.logits, home, absl::nullopt);
  const at::Tensor counts = home.labels.bincount({}, kClasses).to(at::kDouble) + 0.5;
  const double temperature = Measure(home).temperature;
  const at::Tensor predicted = (target.logits.to(at::kDouble) / temperature).softmax(1).mean(0);
  EXPECT_LT((evidence.shares - (counts / counts.sum() + predicted) / 2).abs().max().item<double>(),
            1e-9);
  EXPECT_EQ(evidence.knowledge, Knowledge::kHeldOut);
  const Evidence alone = EvidenceOf(target.logits, absl::nullopt, absl::nullopt);
  const at::Tensor as_it_is = target.logits.to(at::kDouble).softmax(1).mean(0);
  EXPECT_LT((alone.shares - (as_it_is + 0.25) / 2).abs().max().item<double>(), 1e-9);
  EXPECT_EQ(alone.knowledge, Knowledge::kNothing);
}

// With all that an estimator needs each is near where nothing but the shares moved, and these
// little.
TEST(Estimators, AreNearWhereLittleMoved) {
  const at::Tensor shares = at::tensor({0.32, 0.28, 0.22, 0.18}, at::kFloat);
  const Predictions home = Drawn(Even(), 2.5, 3), target = Drawn(shares, 2.5, 4);
  const Evidence evidence = EvidenceOf(target.logits, home, absl::nullopt);
  for (const Estimator& estimator : Estimators()) {
    EXPECT_NEAR(estimator.estimate(evidence), Accuracy(target), 0.06) << estimator.name;
  }
}

// The paper's COT would move the mass of classes that the source has less of.
TEST(Cot, LosesLessWhereTheSharesDiffer) {
  const at::Tensor shares = at::tensor({0.85, 0.05, 0.05, 0.05}, at::kFloat);
  const Predictions home = Drawn(Even(), 3, 5), target = Drawn(shares, 3, 6);
  Evidence evidence = EvidenceOf(target.logits, home, absl::nullopt);
  const double half_way = Estimated("cot", evidence);
  evidence.shares = Even().to(at::kDouble);
  const double of_home = Estimated("cot", evidence);
  EXPECT_LT(of_home, Accuracy(target) - 0.3);
  EXPECT_GT(half_way, of_home + 0.15);
}

TEST(Cot, FollowsADropThatConfidenceShows) {
  const Predictions home = Drawn(Even(), 3, 7), target = Drawn(Even(), 1.5, 8);
  const Evidence evidence = EvidenceOf(target.logits, home, absl::nullopt);
  EXPECT_LT(Accuracy(target), Accuracy(home) - 0.15);
  EXPECT_LT(Estimated("cot", evidence), Accuracy(home) - 0.1);
}

TEST(Atc, CountsTheSurerSamples) {
  const at::Tensor logits = Normal({50, 3}, 9);
  SourceRecord record;
  record.temperature = 2;
  record.threshold = -0.9;
  double above = 0;
  for (int64_t i = 0; i < 50; ++i) {
    const at::Tensor p = (logits[i] / 2).to(at::kDouble).softmax(0);
    above += (p * p.log()).sum().item<double>() >= -0.9 ? 1 / 50.0 : 0;
  }
  EXPECT_NEAR(Estimated("atc", EvidenceOf(logits, absl::nullopt, record)), above, 1e-9);
}

// On the target each class comes with the next one nearly as strong, as nowhere at home: g_c = z_c
// - z_{c+1} agrees with the model there and disagrees here.
TEST(Dis2, SeesATargetThatLiesElsewhere) {
  const Predictions home = Drawn(Even(), 6, 10), same = Drawn(Even(), 6, 11);
  EXPECT_NEAR(Estimated("dis2", EvidenceOf(same.logits, home, absl::nullopt)), Accuracy(home),
              0.05);
  const at::Tensor next = at::one_hot((same.labels + 1).remainder(kClasses), kClasses);
  const at::Tensor logits = 6 * at::one_hot(same.labels, kClasses).to(at::kFloat) +
                            5 * next.to(at::kFloat) + 0.2 * Normal({kSamples, kClasses}, 12);
  EXPECT_LT(Estimated("dis2", EvidenceOf(logits, home, absl::nullopt)), Accuracy(home) - 0.8);
}

TEST(EstimatesOf, TakesTheMiddleOfThoseThatKnowHome) {
  const Predictions home = Drawn(Even(), 3, 14), target = Drawn(Even(), 1.5, 15);
  const Estimates all = EstimatesOf(EvidenceOf(target.logits, home, absl::nullopt));
  ASSERT_EQ(all.by_name.size(), 4u);
  const double atc = all.by_name.at("atc"), cot = all.by_name.at("cot"),
               dis2 = all.by_name.at("dis2");
  EXPECT_EQ(all.middle, std::max(std::min(atc, cot), std::min(std::max(atc, cot), dis2)));
  const Estimates recorded = EstimatesOf(EvidenceOf(target.logits, absl::nullopt, Measure(home)));
  EXPECT_EQ(recorded.by_name.size(), 3u);
  EXPECT_NEAR(recorded.middle, (recorded.by_name.at("atc") + recorded.by_name.at("cot")) / 2,
              1e-12);
  const Estimates alone = EstimatesOf(EvidenceOf(target.logits, absl::nullopt, absl::nullopt));
  EXPECT_EQ(alone.middle, alone.by_name.at("confidence"));
}

TEST(Estimators, AreTheSameEachTime) {
  const Predictions home = Drawn(Even(), 3, 12), target = Drawn(Even(), 2, 13);
  for (const Estimator& estimator : Estimators()) {
    EXPECT_EQ(estimator.estimate(EvidenceOf(target.logits, home, absl::nullopt)),
              estimator.estimate(EvidenceOf(target.logits, home, absl::nullopt)));
  }
}

}  // namespace
}  // namespace acclimate::selection
