// The choice among candidates.
#include "core/selection/choice.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "tests/core/selection/clouds.h"

namespace acclimate::selection {
namespace {

using testing::Adapted;
using testing::Clouds;
using testing::Collapsed;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Source;

const Witnesses kNobody;

TEST(Ensemble, ACollapsedClassifierNeverWins) {
  for (const bool with_source : {true, false}) {
    // Even against nothing but bad ones, and where it is the majority.
    const std::vector<Candidate> candidates = {
        Source(Clouds(40, 0.1), with_source), Adapted(Collapsed(), 1, with_source),
        Adapted(Clouds(50, 0.1), 2, with_source), Adapted(Collapsed(), 3, with_source),
        Adapted(Collapsed(), 4, with_source)};
    const std::vector<double> scores = EnsembleScores(candidates);
    EXPECT_EQ(scores[1], kCannotWin);
    EXPECT_GT(scores[2], kCannotWin);
    EXPECT_EQ(Choose(candidates, kNobody, false, false).best, 2u);
  }
}

// By hand: four samples, two classes, three candidates.
TEST(Ensemble, AgreementIsWithTheMeanOfAllProbabilities) {
  const auto says = [](std::vector<float> first_class, int64_t step) {
    const at::Tensor p = at::tensor(first_class);
    Candidate candidate;
    candidate.step = step;
    candidate.probabilities = at::stack({p, 1 - p}, 1).to(at::kHalf);
    candidate.predicted = candidate.probabilities.to(at::kFloat).argmax(1);
    candidate.classes_in_use = 2;
    return candidate;
  };
  // Means of the first class: 0.6, 0.4, 0.53, 0.27.
  EXPECT_THAT(EnsembleAgreement({says({0.9, 0.1, 0.2, 0.1}, 1), says({0.7, 0.3, 0.6, 0.4}, 2),
                                 says({0.2, 0.8, 0.8, 0.3}, 3)}),
              ElementsAre(0.75, 1.0, 0.5));
}

// What a candidate gains by a size that ranks would not see.
TEST(Ensemble, GoesBySizesAndNotByRanks) {
  std::vector<Candidate> candidates;
  for (const int64_t wrong : {12, 8, 4, 60}) candidates.push_back(Adapted(Clouds(wrong), wrong));
  const auto sure = [&](std::vector<double> nuclear_norm) {
    for (size_t i = 0; i < 4; ++i) candidates[i].scores["nuclear_norm"] = nuclear_norm[i];
    const std::vector<double> scores = EnsembleScores(candidates);
    return scores[1] > scores[2];
  };
  // The second agrees more with all of them; the third is the surer one, by a hair or by far.
  ASSERT_GT(EnsembleAgreement(candidates)[1], EnsembleAgreement(candidates)[2]);
  EXPECT_TRUE(sure({0.1, 0.899, 0.9, 0.5}));
  EXPECT_FALSE(sure({0.1, 0.11, 0.9, 0.5}));
}

TEST(Ensemble, ScoresThatDifferByRoundingAloneAreEqual) {
  std::vector<Candidate> candidates = {Source(Clouds(4)), Adapted(Clouds(4), 1),
                                       Adapted(Clouds(4), 2)};
  candidates[1].scores["nuclear_norm"] += 1e-9;
  EXPECT_THAT(EnsembleScores(candidates), ElementsAre(0.0, 0.0, 0.0));
}

TEST(Choice, PrefersWhatMostSayAndIsSure) {
  for (const bool with_source : {true, false}) {
    const std::vector<Candidate> candidates = {
        Source(Clouds(28), with_source), Adapted(Clouds(20, 3.0), 1, with_source),
        Adapted(Clouds(8), 2, with_source), Adapted(Clouds(4, 3.0), 3, with_source)};
    const Choice choice = Choose(candidates, kNobody, false, true);
    EXPECT_TRUE(choice.held) << choice.reason;
    EXPECT_EQ(candidates[choice.best].step, 2);
    EXPECT_EQ(Choose(candidates, kNobody, /*last=*/true, true).adapted, 3u);
  }
}

TEST(Choice, ReturnsTheBetterFormOfTheSourceWhereTheGuardHoldsBack) {
  Candidate statistics = Source(Clouds(4));
  statistics.form = Form::kSourceStatistics;
  const std::vector<Candidate> candidates = {Source(Clouds(8, 3.0)), statistics,
                                             Adapted(Collapsed(), 1)};
  const Choice on = Choose(candidates, kNobody, false, true);
  EXPECT_EQ(on.best, 1u);
  EXPECT_EQ(on.adapted, 2u);
  EXPECT_FALSE(on.held);
  EXPECT_THAT(on.reason, HasSubstr("collapsed onto 1.0 classes"));
  EXPECT_EQ(Choose(candidates, kNobody, false, /*guard=*/false).best, 2u);
}

TEST(Candidate, SurvivesItsTensors) {
  for (const bool with_source : {true, false}) {
    Candidate candidate = Adapted(Clouds(7), 123, with_source);
    if (with_source) candidate.right = at::arange(3).eq(1);
    const absl::StatusOr<Candidate> read = CandidateFrom(ToTensors(candidate));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(ToJson(*read), ToJson(candidate));
    EXPECT_EQ(read->Name(), "step_123");
    EXPECT_TRUE(read->predicted.equal(candidate.predicted));
    EXPECT_TRUE(read->probabilities.equal(candidate.probabilities));
    EXPECT_EQ(read->home_probabilities.defined(), with_source);
    ASSERT_EQ(read->right.defined(), with_source);
    EXPECT_TRUE(!with_source || read->right.equal(candidate.right));
  }
  EXPECT_FALSE(CandidateFrom({}).ok());
  EXPECT_FALSE(CandidateFrom({{"text", at::zeros({3}, at::kDouble)}}).ok());
  EXPECT_FALSE(CandidateFrom({{"text", at::zeros({3}, at::kByte)}}).ok());
}

}  // namespace
}  // namespace acclimate::selection
