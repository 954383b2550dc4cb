// Who leads a race.
#include "core/methods/race/standings.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace acclimate::methods {
namespace {

// Of two classes, half of the samples each, of which the model says so many otherwise.
selection::Candidate Seen(selection::Form form, int64_t step, int64_t wrong) {
  const at::Tensor labels = at::arange(40, at::kLong).remainder(2);
  at::Tensor said = labels.clone();
  said.slice(0, 0, wrong) = 1 - labels.slice(0, 0, wrong);
  const at::Tensor features = at::one_hot(labels, 2).to(at::kFloat);
  selection::Candidate candidate = selection::Score(
      {features, 5 * at::one_hot(said, 2).to(at::kFloat), labels}, absl::nullopt, absl::nullopt);
  candidate.form = form;
  candidate.step = step;
  return candidate;
}

TEST(Standings, ARacerIsAsGoodAsItsBestCandidate) {
  using selection::Form;
  const selection::Candidate source = Seen(Form::kSource, 0, 14);
  const std::vector<selection::Candidate> first = {source, Seen(Form::kAdapted, 1, 0),
                                                   Seen(Form::kAdapted, 2, 18)},
                                          second = {source, Seen(Form::kAdapted, 1, 6)};
  const std::vector<Standing> standings = Judge({{7, &second}, {3, nullptr}, {5, &first}});
  ASSERT_EQ(standings.size(), 3u);
  EXPECT_EQ(standings[0].racer, 5u);
  EXPECT_EQ(standings[0].best.step, 1);
  EXPECT_EQ(standings[1].racer, 7u);
  EXPECT_EQ(standings[2].racer, 3u);
  EXPECT_EQ(standings[2].score, kFailedScore);
  // The source model takes part once.
  EXPECT_EQ(standings[0].score,
            selection::EnsembleScores({source, second[1], first[1], first[2]})[2]);

  const auto restored = StandingsFrom(ToTensors({standings, {standings[0]}}));
  ASSERT_TRUE(restored.ok()) << restored.status();
  const std::vector<std::vector<Standing>>& read = *restored;
  ASSERT_EQ(read.size(), 2u);
  ASSERT_EQ(read[0].size(), 3u);
  EXPECT_EQ(read[0][1].racer, 7u);
  EXPECT_EQ(read[0][2].score, kFailedScore);
  EXPECT_EQ(read[1][0].best.Name(), "step_1");
  EXPECT_TRUE(read[1][0].best.predicted.equal(standings[0].best.predicted));
  EXPECT_FALSE(StandingsFrom({{"000/000", at::zeros({4}, at::kDouble)}}).ok());
}

}  // namespace
}  // namespace acclimate::methods
