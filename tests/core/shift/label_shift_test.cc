#include "core/shift/label_shift.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace acclimate::shift {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kClasses = 4;

// Four overlapping Gaussians in the plane, and the exact posterior for any prior.
class Mixture {
 public:
  Mixture() : centres_(at::tensor({0., 0., 2., 0., 0., 2., 2.5, 2.5}, at::kDouble).view({4, 2})) {}

  // Labels drawn from `prior`, inputs from their Gaussian.
  std::pair<at::Tensor, at::Tensor> Draw(const at::Tensor& prior, int64_t samples) const {
    const at::Tensor labels = prior.multinomial(samples, /*replacement=*/true);
    return {centres_.index_select(0, labels) + at::randn({samples, 2}, at::kDouble), labels};
  }

  at::Tensor Posterior(const at::Tensor& inputs, const at::Tensor& prior) const {
    const at::Tensor distance = (inputs.unsqueeze(1) - centres_.unsqueeze(0)).square().sum(2);
    return (prior.log() - distance / 2).softmax(1);
  }

 private:
  const at::Tensor centres_;
};

at::Tensor Confusion(const at::Tensor& posterior, const at::Tensor& labels) {
  const int64_t classes = posterior.size(1);
  return (labels * classes + posterior.argmax(1))
      .bincount({}, classes * classes)
      .view({classes, classes});
}

// Dirichlet(concentration), from gamma variables.
at::Tensor Dirichlet(double concentration) {
  const at::Tensor gamma = at::_standard_gamma(at::full({kClasses}, concentration, at::kDouble));
  return (gamma / gamma.sum()).clamp_min(1e-12);
}

class LabelShiftTest : public ::testing::TestWithParam<PriorEstimator> {
 protected:
  void SetUp() override {
    at::manual_seed(11);
    source_prior_ = at::tensor({0.4, 0.3, 0.2, 0.1}, at::kDouble);
  }

  LabelShiftEvidence Evidence(const at::Tensor& prior, int64_t held_out, int64_t samples) {
    const auto [source, labels] = mixture_.Draw(source_prior_, held_out);
    const auto [target, unused] = mixture_.Draw(prior, samples);
    return {Confusion(mixture_.Posterior(source, source_prior_), labels),
            mixture_.Posterior(target, source_prior_)};
  }

  Mixture mixture_;
  at::Tensor source_prior_;
};

// q within c / sqrt(N) of a known prior, on every draw; c from the overlap of the classes.
TEST_P(LabelShiftTest, RecoversAKnownPrior) {
  for (const int64_t samples : {1000, 16000}) {
    double worst = 0;
    for (int draw = 0; draw < 20; ++draw) {
      const at::Tensor prior = Dirichlet(draw % 2 == 0 ? 0.1 : 1.0);
      const LabelShiftEvidence evidence = Evidence(prior, 4 * samples, samples);
      const absl::StatusOr<at::Tensor> estimate = EstimatePrior(GetParam(), evidence);
      ASSERT_TRUE(estimate.ok()) << estimate.status();
      EXPECT_NEAR(estimate->sum().item<double>(), 1.0, 1e-9);
      EXPECT_GE(estimate->min().item<double>(), 0.0);
      worst = std::max(worst, (*estimate - prior).abs().sum().item<double>());
    }
    EXPECT_LT(worst, 6.0 / std::sqrt(samples)) << samples << " samples";
  }
}

TEST_P(LabelShiftTest, IntervalsHoldTheTruthAndShrink) {
  const at::Tensor prior = at::tensor({0.1, 0.2, 0.3, 0.4}, at::kDouble);
  int held = 0;
  double width[2] = {0, 0};
  for (int draw = 0; draw < 10; ++draw) {
    for (const int size : {0, 1}) {
      const LabelShiftEvidence evidence =
          Evidence(prior, size == 0 ? 8000 : 32000, size == 0 ? 1000 : 4000);
      const at::Tensor estimate = EstimatePrior(GetParam(), evidence).value();
      const PriorInterval interval = BootstrapPrior(GetParam(), evidence, estimate, 100);
      EXPECT_TRUE(interval.low.le(interval.high).all().item<bool>());
      width[size] += (interval.high - interval.low).mean().item<double>();
      if (size == 0) {
        held += prior.ge(interval.low).logical_and(prior.le(interval.high)).sum().item<int>();
      }
    }
  }
  EXPECT_GE(held, 33);                         // of 40; 38 are expected
  EXPECT_NEAR(width[0] / width[1], 2.0, 0.4);  // sqrt(4)
}

TEST_P(LabelShiftTest, AClassWithoutHeldOutSamplesIsNamed) {
  LabelShiftEvidence evidence = Evidence(source_prior_, 1000, 100);
  evidence.confusion[2].zero_();
  const absl::Status status = EstimatePrior(GetParam(), evidence).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("no held-out samples of class 2;"));
}

INSTANTIATE_TEST_SUITE_P(Estimators, LabelShiftTest,
                         ::testing::Values(PriorEstimator::kBbse, PriorEstimator::kRlls,
                                           PriorEstimator::kEm),
                         [](const auto& info) {
                           return info.param == PriorEstimator::kBbse   ? "Bbse"
                                  : info.param == PriorEstimator::kRlls ? "Rlls"
                                                                        : "Em";
                         });

at::Tensor SomeConfusion() {
  return at::tensor({60, 10, 10, 5, 90, 15, 4, 6, 50}, at::kLong).view({3, 3});
}

// mu = C w exactly: w comes back.
TEST(BbseTest, InvertsTheConfusionMatrix) {
  const at::Tensor confusion = SomeConfusion();
  const int64_t w[] = {2, 1, 3};
  at::Tensor predicted = at::zeros({3}, at::kLong);
  for (int64_t y = 0; y < 3; ++y) {
    for (int64_t i = 0; i < 3; ++i) predicted[i] += w[y] * confusion[y][i];
  }
  const double total = confusion.sum().item<double>(), seen = predicted.sum().item<double>();
  const at::Tensor weights = BbseWeights(confusion, predicted).value();
  for (int64_t y = 0; y < 3; ++y) {
    EXPECT_NEAR(weights[y].item<double>(), w[y] * total / seen, 1e-12);
  }
}

TEST(BbseTest, NegativeWeightsAreClipped) {
  const at::Tensor weights =
      BbseWeights(SomeConfusion(), at::tensor({1, 1000, 1}, at::kLong)).value();
  EXPECT_EQ(weights.min().item<double>(), 0.0);
}

TEST(BbseTest, ASingularMatrixNamesTheClasses) {
  // Classes 1 and 3 are predicted alike.
  const at::Tensor confusion =
      at::tensor({50, 0, 0, 0, 0, 20, 0, 20, 0, 0, 40, 2, 0, 30, 0, 30}, at::kLong).view({4, 4});
  const at::Tensor predicted = at::tensor({10, 10, 10, 10}, at::kLong);
  const absl::Status status = BbseWeights(confusion, predicted).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("singular"));
  EXPECT_THAT(status.message(), HasSubstr("of classes 1, 3;"));
  EXPECT_TRUE(RllsWeights(confusion, predicted).ok());
}

// No feasible neighbour has a lower objective.
TEST(RllsTest, IsTheConstrainedMinimum) {
  at::manual_seed(5);
  const at::Tensor confusion = SomeConfusion();
  const double samples = confusion.sum().item<double>();
  const double log_term = std::log(2.0 * 3 / 0.05);
  const double rho = 0.01 * 3 * (2 * log_term / (3 * samples) + std::sqrt(2 * log_term / samples));
  const at::Tensor joint = confusion.t().to(at::kDouble) / samples;
  for (const auto& counts : {std::vector<int64_t>{30, 50, 20}, {1, 90, 9}, {31, 42, 30}}) {
    const at::Tensor predicted = at::tensor(counts, at::kLong);
    const at::Tensor b = predicted.to(at::kDouble) / predicted.sum().item<double>() - joint.sum(1);
    const auto objective = [&](const at::Tensor& theta) {
      return ((joint.mv(theta) - b).norm() + rho * theta.norm()).item<double>();
    };
    const at::Tensor theta = RllsWeights(confusion, predicted).value() - 1;
    EXPECT_GE(theta.min().item<double>(), -1.0 - 1e-12);
    const double minimum = objective(theta);
    for (int trial = 0; trial < 300; ++trial) {
      const double size = trial % 3 == 0 ? 1e-1 : trial % 3 == 1 ? 1e-3 : 1e-5;
      const at::Tensor other = (theta + size * at::randn({3}, at::kDouble)).clamp_min(-1.0);
      EXPECT_GT(objective(other), minimum - 1e-9);
    }
  }
}

// The equations of Saerens et al., in plain loops, at what is found.
TEST(EmTest, IsAFixedPoint) {
  at::manual_seed(6);
  const at::Tensor probabilities = (at::randn({300, 3}, at::kDouble) * 2).softmax(1);
  const at::Tensor p = at::tensor({0.5, 0.3, 0.2}, at::kDouble);
  const at::Tensor q = EmPrior(probabilities, p, p);
  double next[3] = {0, 0, 0};
  for (int64_t i = 0; i < 300; ++i) {
    double total = 0, weighted[3];
    for (int64_t c = 0; c < 3; ++c) {
      weighted[c] = probabilities[i][c].item<double>() * q[c].item<double>() / p[c].item<double>();
      total += weighted[c];
    }
    for (int64_t c = 0; c < 3; ++c) next[c] += weighted[c] / total / 300;
  }
  for (int64_t c = 0; c < 3; ++c) EXPECT_NEAR(q[c].item<double>(), next[c], 1e-8);
  // Wherever it begins.
  const at::Tensor other = EmPrior(probabilities, p, at::tensor({0.1, 0.1, 0.8}, at::kDouble));
  EXPECT_LT((q - other).abs().max().item<double>(), 1e-5);
}

TEST(EmTest, TheSourceItselfIsNotMoved) {
  // Probabilities whose mean is p: q = p is the fixed point.
  const at::Tensor probabilities = at::tensor({0.9, 0.1, 0.1, 0.9}, at::kDouble).view({2, 2});
  const at::Tensor p = at::full({2}, 0.5, at::kDouble);
  EXPECT_LT((EmPrior(probabilities, p, p) - p).abs().max().item<double>(), 1e-12);
}

}  // namespace
}  // namespace acclimate::shift
