// The ensemble and the guard.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/selection/candidate.h"

namespace acclimate::selection {
namespace {

using ::testing::HasSubstr;

// Features in four clouds; logits that follow them for all samples but the first `wrong`, a
// multiple of 4, so that classes stay in balance.
Predictions Clouds(int64_t wrong, double confidence = 6.0) {
  const int64_t classes = 4, samples = 80;
  const at::Tensor labels = at::arange(samples, at::kLong).remainder(classes);
  const at::Tensor features =
      at::eye(classes, 6).index_select(0, labels) * 5 +
      0.5 * at::randn({samples, 6}, at::detail::createCPUGenerator(1), at::kFloat);
  at::Tensor predicted = labels.clone();
  predicted.slice(0, 0, wrong).add_(1).remainder_(classes);
  return {features, confidence * at::one_hot(predicted, classes).to(at::kFloat), labels};
}

// Every sample in one place and in one class, with all confidence.
Predictions Collapsed() {
  at::Tensor logits = at::zeros({80, 4});
  logits.select(1, 2).fill_(50.0);
  return {at::ones({80, 6}), logits, Clouds(0).labels};
}

Candidate Adapted(const Predictions& target, int64_t step, bool with_source = true) {
  Candidate candidate =
      Score(target, with_source ? absl::optional<Predictions>(target) : absl::nullopt, {});
  candidate.step = step;
  return candidate;
}

Candidate Source(const Predictions& target, bool with_source = true) {
  Candidate candidate = Adapted(target, 0, with_source);
  candidate.form = Form::kSource;
  return candidate;
}

TEST(Ensemble, ACollapsedClassifierNeverWins) {
  for (const bool with_source : {true, false}) {
    // Even against nothing but bad ones.
    const std::vector<Candidate> candidates = {Source(Clouds(40, 0.1), with_source),
                                               Adapted(Collapsed(), 1, with_source),
                                               Adapted(Clouds(50, 0.1), 2, with_source)};
    const std::vector<double> scores = EnsembleScores(candidates);
    EXPECT_EQ(scores[1], -1.0);
    EXPECT_NE(Choose(candidates, false, true).best, 1u);
    EXPECT_NE(Choose(candidates, false, false).best, 1u);
  }
}

Candidate ForgotTheSource(const Predictions& target, int64_t step) {
  Candidate candidate = Adapted(target, step);
  const std::vector<std::string>& names = ValidatorNames();
  candidate.scores[std::find(names.begin(), names.end(), "source_accuracy") - names.begin()] = 0.5;
  return candidate;
}

TEST(Ensemble, AClassifierThatForgotTheSourceNeverWins) {
  const Candidate forgot = ForgotTheSource(Clouds(0), 1);
  const std::vector<Candidate> candidates = {Source(Clouds(20)), forgot, Adapted(Clouds(16), 2)};
  EXPECT_EQ(EnsembleScores(candidates)[1], -1.0);
  const Choice choice = Choose(candidates, false, true);
  EXPECT_TRUE(choice.held) << choice.reason;
  EXPECT_EQ(choice.best, 2u);
  // Without another one that adapted it is named, and not returned.
  const Choice alone = Choose({candidates[0], forgot}, false, true);
  EXPECT_EQ(alone.best, 0u);
  EXPECT_THAT(alone.reason, HasSubstr("of the held-out source it has only 50.0 % right"));
}

TEST(Ensemble, PrefersPredictionsThatFollowTheClusters) {
  for (const bool with_source : {true, false}) {
    const std::vector<Candidate> candidates = {
        Source(Clouds(28), with_source), Adapted(Clouds(20), 1, with_source),
        Adapted(Clouds(4), 2, with_source), Adapted(Clouds(16), 3, with_source)};
    const Choice choice = Choose(candidates, false, true);
    EXPECT_TRUE(choice.held) << choice.reason;
    EXPECT_EQ(candidates[choice.best].step, 2);
    EXPECT_EQ(Choose(candidates, /*last=*/true, true).adapted, 3u);
  }
}

TEST(Guard, ReturnsTheSourceWhereAdaptationHurt) {
  for (const bool with_source : {true, false}) {
    const std::vector<Candidate> candidates = {Source(Clouds(4), with_source),
                                               Adapted(Clouds(28), 1, with_source)};
    const Choice on = Choose(candidates, false, true);
    EXPECT_FALSE(on.held);
    EXPECT_EQ(on.best, 0u);
    EXPECT_THAT(on.reason, HasSubstr(with_source ? "of the held-out source it has only 65.0 % right"
                                                 : "label-free validators"));
    EXPECT_EQ(Choose(candidates, false, false).best, 1u);
  }
}

// Entropy that is minimised where even the source model was often wrong makes clusters that are
// not the classes.
TEST(Guard, ReturnsTheSourceWhereASourceFreeModelIsSurerThanTheSourceWasAtHome) {
  for (const bool with_source : {true, false}) {
    const std::vector<Candidate> candidates = {Source(Clouds(28), with_source),
                                               Adapted(Clouds(0), 1, with_source)};
    SourceRecord record;
    record.accuracy = 0.95;
    EXPECT_TRUE(Choose(candidates, false, true, record).held);
    record.accuracy = 0.8;
    const Choice choice = Choose(candidates, false, true, record);
    EXPECT_EQ(choice.held, with_source);
    if (with_source) continue;
    EXPECT_EQ(choice.best, 0u);
    EXPECT_THAT(choice.reason, HasSubstr("the source model had 80.0 % of its own domain right"));
  }
}

TEST(Guard, SaysThatPredictionsCollapsed) {
  const Choice choice = Choose({Source(Clouds(28)), Adapted(Collapsed(), 1)}, false, true);
  EXPECT_EQ(choice.best, 0u);
  EXPECT_THAT(choice.reason, HasSubstr("collapsed onto 1.0 classes"));
}

TEST(Guard, TakesTheBetterFormOfTheSource) {
  Candidate statistics = Source(Clouds(4));
  statistics.form = Form::kSourceStatistics;
  EXPECT_EQ(Choose({Source(Clouds(20)), statistics, Adapted(Clouds(40), 1)}, false, true).best, 1u);
}

TEST(Guard, AnEqualModelHolds) {
  EXPECT_TRUE(Choose({Source(Clouds(4)), Adapted(Clouds(4), 1)}, false, true).held);
}

TEST(Peers, AreThoseThatCouldWin) {
  const std::vector<Candidate> forms = {Source(Clouds(8))};
  Candidate unseen = Adapted(Clouds(8), 3);
  unseen.predicted = at::Tensor();
  const Candidate fit = Adapted(Clouds(12), 4);
  const Peers peers = PeersAmong(
      forms, {{Adapted(Collapsed(), 1), ForgotTheSource(Clouds(0), 2), unseen, fit}, fit});
  ASSERT_EQ(peers.methods.sizes(), (std::vector<int64_t>{1, 80}));
  EXPECT_TRUE(peers.methods[0].equal(fit.predicted));
  EXPECT_TRUE(peers.linear.equal(fit.predicted));
  EXPECT_FALSE(PeersAmong(forms, {{Adapted(Collapsed(), 1)}, ForgotTheSource(Clouds(0), 2)}).any());
}

TEST(Peers, TheLinearClassifierHasAThirdOfTheSay) {
  const at::Tensor linear = at::zeros({5}, at::kLong);
  const auto votes = [&linear](int64_t methods) {
    const at::Tensor votes = Peers{at::ones({methods, 5}, at::kLong), linear}.Votes();
    return votes.eq(0).to(at::kDouble).mean().item<double>();
  };
  EXPECT_EQ((Peers{{}, linear}).Votes().sizes(), (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(votes(1), 0.5);
  EXPECT_NEAR(votes(2), 1.0 / 3, 1e-12);
  EXPECT_NEAR(votes(4), 1.0 / 3, 1e-12);
  EXPECT_EQ((Peers{at::ones({2, 5}, at::kLong), {}}).Votes().size(0), 2);
}

// The source model is sure of what it gets wrong. Its estimate alone would keep it.
TEST(Peers, TellASourceModelThatIsSureAndWrong) {
  Candidate source = Source(Clouds(40, 50.0)), adapted = Adapted(Clouds(4, 3.0), 1);
  source.estimate.value = 0.99;
  adapted.estimate.value = 0.8;
  const Choice alone = Choose({source, adapted}, false, true);
  EXPECT_FALSE(alone.held) << alone.reason;

  const Peers peers = {
      at::stack({Adapted(Clouds(8), 2).predicted, Adapted(Clouds(16), 3).predicted}), {}};
  HearPeers(peers, source);
  HearPeers(peers, adapted);
  EXPECT_NEAR(source.estimate.value, (48.0 + 56.0) / 160, 1e-12);
  EXPECT_EQ(adapted.estimate.value, 0.8);  // they agree with it on 90 %
  EXPECT_NEAR(adapted.scores.back(), 0.9, 1e-12);
  const Choice heard = Choose({source, adapted}, false, true);
  EXPECT_TRUE(heard.held) << heard.reason;
  EXPECT_THAT(heard.reason, HasSubstr("of 5 label-free validators"));

  // Nobody to ask: nothing changes.
  const Candidate before = adapted;
  HearPeers(Peers(), adapted);
  EXPECT_EQ(ToJson(adapted), ToJson(before));
}

Choice ChooseHearing(const Peers& peers, Candidate source, Candidate adapted) {
  HearPeers(peers, source);
  HearPeers(peers, adapted);
  return Choose({source, adapted}, false, true);
}

// Sure, dense, clustered as predicted, and not what anybody else says.
TEST(Peers, KeepAModelThatTheyDoNotAgreeWith) {
  const Candidate source = Source(Clouds(16, 3.0)), adapted = Adapted(Clouds(0), 1);
  const Peers peers = {Adapted(Clouds(16), 2).predicted.unsqueeze(0), {}};
  EXPECT_TRUE(Choose({source, adapted}, false, true).held);
  const Choice choice = ChooseHearing(peers, source, adapted);
  EXPECT_EQ(choice.best, 0u);
  EXPECT_EQ(choice.reason,
            "other methods agree with it on only 80.0 %, with the source model on 100.0 %");
}

// They have run for an eighth of a plan, and may be as good as what they started from.
TEST(Peers, AloneDoNotKeepAModelThatEveryOtherValidatorPrefers) {
  Candidate source = Source(Clouds(16, 3.0)), adapted = Adapted(Clouds(0), 1);
  const auto& names = ValidatorNames();
  const auto score = [&names](Candidate& candidate, const char* name) -> double& {
    const auto place = std::find(names.begin(), names.end(), name);
    return candidate.scores[static_cast<size_t>(place - names.begin())];
  };
  for (const char* name :
       {"nuclear_norm", "neighborhood_density", "class_ami", "source_accuracy"}) {
    score(adapted, name) = score(source, name) + 0.01;
  }
  const Peers peers = {Adapted(Clouds(16), 2).predicted.unsqueeze(0), {}};
  const Choice choice = ChooseHearing(peers, source, adapted);
  EXPECT_TRUE(choice.held) << choice.reason;
  EXPECT_THAT(choice.reason, HasSubstr("every label-free validator but the peers"));
  score(adapted, "class_ami") = score(source, "class_ami");
  EXPECT_FALSE(ChooseHearing(peers, source, adapted).held);
}

// The methods that agree with it do not outvote the one that has nothing of the checkpoint.
TEST(Peers, KeepAModelThatTheLinearClassifierDoesNotAgreeWith) {
  const Candidate source = Source(Clouds(16, 3.0)), adapted = Adapted(Clouds(0), 1);
  const Peers peers = {at::stack({adapted.predicted, adapted.predicted}),
                       Adapted(Clouds(16), 2).predicted};
  const Choice choice = ChooseHearing(peers, source, adapted);
  EXPECT_EQ(choice.best, 0u);
  EXPECT_EQ(choice.reason,
            "a linear classifier agrees with it on only 80.0 %, with the source model on 100.0 %");
}

// The methods think less of it than of the source model.
TEST(Peers, ALinearClassifierThatKnowsTheTargetLessThanTheSourceModelIsLeftOut) {
  const Candidate source = Source(Clouds(16, 3.0)), adapted = Adapted(Clouds(0), 1);
  const auto asked = [&](int64_t wrong) {
    return PeersAmong({source}, {{adapted, adapted}, Adapted(Clouds(wrong), 2)});
  };
  EXPECT_TRUE(asked(19).linear.defined());  // 3.75 points
  EXPECT_FALSE(asked(20).linear.defined());
  EXPECT_EQ(ChooseHearing(asked(19), source, adapted).best, 0u);
  EXPECT_EQ(ChooseHearing(asked(20), source, adapted).best, 1u);
  // Nobody to ask about it.
  EXPECT_TRUE(PeersAmong({source}, {{}, Adapted(Clouds(24), 2)}).linear.defined());
}

TEST(Candidate, ASourceModelWhoseStatisticsAreWrongAtHomeIsToldByTheTargets) {
  Candidate statistics = Source(Clouds(0));
  statistics.form = Form::kSourceStatistics;
  EXPECT_TRUE(StatisticsFitOwnDomain({Source(Clouds(0)), statistics}));
  EXPECT_TRUE(StatisticsFitOwnDomain({Source(Clouds(4)), statistics}));  // 5 % more
  EXPECT_FALSE(StatisticsFitOwnDomain({Source(Clouds(40)), statistics}));
  EXPECT_TRUE(StatisticsFitOwnDomain({Source(Clouds(40))}));
  EXPECT_TRUE(StatisticsFitOwnDomain({Source(Clouds(40), /*with_source=*/false), statistics}));
}

TEST(Candidate, SurvivesItsTensor) {
  for (const bool with_source : {true, false}) {
    Candidate candidate = Adapted(Clouds(7), 123, with_source);
    const at::Tensor other = Adapted(Clouds(12), 1).predicted;
    if (with_source) HearPeers({other.unsqueeze(0), other}, candidate);
    const absl::StatusOr<Candidate> read = CandidateFrom(ToTensor(candidate));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(ToJson(*read), ToJson(candidate));
    EXPECT_EQ(read->Name(), "step_123");
    ASSERT_TRUE(candidate.predicted.defined());
    EXPECT_TRUE(read->predicted.equal(candidate.predicted));
  }
  EXPECT_FALSE(CandidateFrom(at::zeros({3}, at::kDouble)).ok());
}

}  // namespace
}  // namespace acclimate::selection
