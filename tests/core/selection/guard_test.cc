// The rules of the guard, one by one.
#include "core/selection/guard.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/selection/choice.h"
#include "tests/core/selection/clouds.h"

namespace acclimate::selection {
namespace {

using testing::Adapted;
using testing::Clouds;
using testing::Collapsed;
using ::testing::HasSubstr;
using testing::Source;

// What `rule` says of `adapted` beside `source`; absent where it has nothing to say.
absl::optional<Verdict> Ask(const std::string& rule, const Candidate& source,
                            const Candidate& adapted, const Witnesses& witnesses = {}) {
  const std::vector<Candidate> candidates = {source, adapted};
  for (Verdict& verdict : AskRules({candidates, 1, 0, witnesses})) {
    if (verdict.rule == rule) return verdict;
  }
  return absl::nullopt;
}

TEST(GuardRules, HaveNamesOfTheirOwn) {
  for (const GuardRule& a : GuardRules()) {
    for (const GuardRule& b : GuardRules()) {
      EXPECT_EQ(&a == &b, std::string(a.name) == b.name);
    }
  }
}

TEST(CollapseRule, TellsAModelWithFewClasses) {
  EXPECT_FALSE(Ask("collapse", Source(Clouds(28)), Adapted(Collapsed(), 1))->holds);
  EXPECT_TRUE(Ask("collapse", Source(Clouds(28)), Adapted(Clouds(40), 1))->holds);
  // Of a source model that collapsed itself nothing is less.
  EXPECT_TRUE(Ask("collapse", Source(Collapsed()), Adapted(Clouds(40), 1))->holds);
}

TEST(GainRule, TellsAModelThatIsClearlyWorse) {
  const absl::optional<Verdict> worse = Ask("gain", Source(Clouds(4)), Adapted(Clouds(28, 1.0), 1));
  ASSERT_TRUE(worse);
  EXPECT_FALSE(worse->holds) << worse->says;
  EXPECT_TRUE(Ask("gain", Source(Clouds(28, 1.0)), Adapted(Clouds(4), 1))->holds);
  // Within what so few samples tell.
  EXPECT_TRUE(Ask("gain", Source(Clouds(4)), Adapted(Clouds(6), 1))->holds);
  EXPECT_TRUE(Ask("gain", Source(Clouds(4)), Adapted(Clouds(4), 1))->holds);
}

TEST(GainRule, NeedsHeldOutSource) {
  EXPECT_FALSE(Ask("gain", Source(Clouds(4), false), Adapted(Clouds(28, 1.0), 1, false)));
}

// Entropy that is minimised where even the source model was often wrong makes clusters that are
// not the classes.
TEST(OwnDomainRule, TellsASourceFreeModelThatIsSurerThanTheSourceModelWasRight) {
  for (const bool with_source : {true, false}) {
    const auto ask = [&](double accuracy) {
      Witnesses witnesses;
      witnesses.record = SourceRecord();
      witnesses.record->accuracy = accuracy;
      return Ask("own_domain", Source(Clouds(28), with_source), Adapted(Clouds(0), 1, with_source),
                 witnesses);
    };
    if (with_source) {
      EXPECT_FALSE(ask(0.8));
      continue;
    }
    EXPECT_TRUE(ask(0.95)->holds);
    EXPECT_FALSE(ask(0.8)->holds);
    EXPECT_THAT(ask(0.8)->says, HasSubstr("the source model had 80.0 % of its own domain right"));
  }
  EXPECT_FALSE(Ask("own_domain", Source(Clouds(28), false), Adapted(Clouds(0), 1, false)));
}

Witnesses TeacherThatSays(const at::Tensor& classes, double home_accuracy = 0.96) {
  return {classes, home_accuracy, absl::nullopt};
}

// Of 80 samples the source model has the first 16 wrong, the adapted one the last `wrong`.
Candidate WrongAtTheEnd(int64_t wrong) {
  Predictions predictions = Clouds(0);
  predictions.logits.slice(0, 80 - wrong).copy_(predictions.logits.slice(0, 80 - wrong).roll(1, 1));
  return Adapted(predictions, 1);
}

TEST(OtherKindRule, TellsAModelThatATeacherAgreesWithLess) {
  const Witnesses teacher = TeacherThatSays(Clouds(0).labels);
  const absl::optional<Verdict> worse =
      Ask("other_kind", Source(Clouds(16)), WrongAtTheEnd(24), teacher);
  ASSERT_TRUE(worse);
  EXPECT_FALSE(worse->holds);
  EXPECT_EQ(worse->says,
            "a classical model agrees with it on 70.0 % of the samples, with the source model on "
            "80.0 %");
  EXPECT_TRUE(Ask("other_kind", Source(Clouds(16)), WrongAtTheEnd(8), teacher)->holds);
  // It is asked in place of what a network's own outputs tell.
  EXPECT_FALSE(Ask("gain", Source(Clouds(16)), WrongAtTheEnd(24), teacher));
}

TEST(OtherKindRule, IsSilentWhereTheTeacherIsTheOddOneOut) {
  at::Tensor odd = Clouds(0).labels.clone();
  odd.slice(0, 20, 60).add_(1).remainder_(4);
  EXPECT_FALSE(Ask("other_kind", Source(Clouds(16)), WrongAtTheEnd(24), TeacherThatSays(odd)));
  EXPECT_TRUE(Ask("gain", Source(Clouds(16)), WrongAtTheEnd(24), TeacherThatSays(odd)));
  EXPECT_FALSE(Ask("other_kind", Source(Clouds(16)), WrongAtTheEnd(24)));
}

TEST(OtherKindRule, IsSilentWhereTheTeacherIsWorseAtHome) {
  // The source model has 80 % right there, by its record 60.
  Witnesses worse = TeacherThatSays(Clouds(0).labels, 0.65);
  EXPECT_FALSE(Ask("other_kind", Source(Clouds(16)), WrongAtTheEnd(24), worse));
  worse.record = SourceRecord();
  worse.record->accuracy = 0.6;
  EXPECT_TRUE(Ask("other_kind", Source(Clouds(16)), WrongAtTheEnd(24), worse));
}

// Right on the labelled samples [begin, end), of so many.
Candidate RightOn(Candidate candidate, int64_t begin, int64_t end, int64_t labels = 100) {
  candidate.right = at::zeros({labels}, at::kBool);
  candidate.right.slice(0, begin, end).fill_(true);
  return candidate;
}

// The labels are of a target of 2000 samples.
Witnesses OfTarget() {
  Witnesses witnesses;
  witnesses.target_samples = 2000;
  return witnesses;
}

TEST(AuditRule, SaysWhatLabelsMeasure) {
  const auto ask = [](int64_t source_right, int64_t right) {
    return *Ask("audit", RightOn(Source(Clouds(4)), 0, source_right),
                RightOn(Adapted(Clouds(4), 1), 0, right), OfTarget());
  };
  // 19 differences of 1 among 100 and 0.95 of one at either end: 18.6 points +- 6.6.
  EXPECT_TRUE(ask(62, 81).holds);
  EXPECT_EQ(ask(62, 81).says,
            "on 100 labelled samples it is right on 81 of them, the source model on 62: gain 19.0 "
            "points (90 % interval 12.1 to 25.2)");
  EXPECT_FALSE(ask(81, 62).holds);
  EXPECT_THAT(ask(81, 62).says, HasSubstr("gain -19.0 points (90 % interval -25.2 to -12.1)"));
  EXPECT_FALSE(ask(81, 80).holds);
  EXPECT_TRUE(ask(81, 81).holds);
}

TEST(AuditRule, CountsTheSamplesThatOnlyOneHasRight) {
  // Right on 60 each, on 20 of them both: wider than where both are right on the same.
  const absl::optional<Verdict> verdict = Ask("audit", RightOn(Source(Clouds(4)), 0, 60),
                                              RightOn(Adapted(Clouds(4), 1), 40, 100), OfTarget());
  EXPECT_THAT(verdict->says, HasSubstr("gain 0.0 points (90 % interval -14.2 to 14.2)"));
}

TEST(AuditRule, NamesTheFormOfTheSourceThatItIsComparedWith) {
  Candidate statistics = RightOn(Source(Clouds(4)), 0, 62);
  statistics.form = Form::kSourceStatistics;
  EXPECT_THAT(Ask("audit", statistics, RightOn(Adapted(Clouds(4), 1), 0, 81), OfTarget())->says,
              HasSubstr("the source model with the target's batch-norm statistics on 62: gain"));
}

TEST(AuditRule, IsSilentWithoutLabels) {
  EXPECT_FALSE(Ask("audit", Source(Clouds(4)), Adapted(Clouds(28), 1), OfTarget()));
  EXPECT_FALSE(Ask("audit", Source(Clouds(4)), RightOn(Adapted(Clouds(28), 1), 0, 9), OfTarget()));
}

TEST(AuditRule, TakesThePlaceOfTheRulesThatEstimate) {
  Witnesses record;
  record.record = SourceRecord();
  record.record->accuracy = 0.8;
  const Witnesses teacher = TeacherThatSays(Clouds(0).labels);
  for (const int64_t labels : {kLeastLabelsToDecide - 1, kLeastLabelsToDecide}) {
    const auto speaks = [&](const std::string& rule, const Candidate& source,
                            const Candidate& adapted, const Witnesses& witnesses) {
      return Ask(rule, RightOn(source, 0, 9, labels), RightOn(adapted, 0, 9, labels), witnesses)
          .has_value();
    };
    const bool asked = labels < kLeastLabelsToDecide;
    EXPECT_EQ(speaks("gain", Source(Clouds(16)), Adapted(Clouds(16), 1), {}), asked);
    EXPECT_EQ(
        speaks("own_domain", Source(Clouds(16), false), Adapted(Clouds(16), 1, false), record),
        asked);
    EXPECT_EQ(speaks("other_kind", Source(Clouds(16)), WrongAtTheEnd(24), teacher), asked);
    for (const char* rule : {"collapse", "audit"}) {
      EXPECT_TRUE(speaks(rule, Source(Clouds(16)), Adapted(Clouds(16), 1), {})) << rule;
    }
  }
}

TEST(Choice, LabelsTellTheBetterFormOfTheSource) {
  // The estimate prefers the target's statistics.
  Candidate statistics = Source(Clouds(4));
  statistics.form = Form::kSourceStatistics;
  const auto chosen = [&](int64_t plain_right, int64_t statistics_right, int64_t labels) {
    return Choose({RightOn(Source(Clouds(28, 1.0)), 0, plain_right, labels),
                   RightOn(statistics, 0, statistics_right, labels),
                   RightOn(Adapted(Collapsed(), 1), 0, 0, labels)},
                  OfTarget(), false, true)
        .best;
  };
  EXPECT_EQ(chosen(40, 30, 100), 0u);
  EXPECT_EQ(chosen(30, 40, 100), 1u);
  EXPECT_EQ(chosen(40, 30, kLeastLabelsToDecide - 1), 1u);
}

TEST(Choice, TakesTheFormOfTheSourceThatIsEstimatedToBeBetter) {
  for (const bool better : {true, false}) {
    Candidate statistics = Source(Clouds(better ? 4 : 28, better ? 6.0 : 1.0));
    statistics.form = Form::kSourceStatistics;
    const Candidate plain = Source(Clouds(better ? 28 : 4, better ? 1.0 : 6.0));
    EXPECT_EQ(Choose({plain, statistics, Adapted(Collapsed(), 1)}, {}, false, true).best,
              better ? 1u : 0u);
  }
}

}  // namespace
}  // namespace acclimate::selection
