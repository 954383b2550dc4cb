// Who leads a race.
#include "core/methods/race/standings.h"

#include <gtest/gtest.h>

#include "core/selection/choice.h"
#include "tests/core/selection/clouds.h"

namespace acclimate::methods {
namespace {

using testing::Adapted;
using testing::Clouds;
using testing::Source;

TEST(Standings, TheBestIsTheFirstAndThoseThatDidNotRunAreTheLast) {
  const selection::Candidate source = Source(Clouds(28)), good = Adapted(Clouds(4), 1),
                             bad = Adapted(Clouds(32, 1.0), 2),
                             collapsed = Adapted(testing::Collapsed(), 3);
  const std::vector<Standing> standings =
      Judge({source}, {{7, &bad}, {3, nullptr}, {8, &collapsed}, {5, &good}});
  ASSERT_EQ(standings.size(), 4u);
  EXPECT_EQ(standings[0].racer, 5u);
  EXPECT_EQ(standings[1].racer, 7u);
  EXPECT_EQ(standings[2].racer, 8u);
  EXPECT_EQ(standings[2].score, selection::kCannotWin);
  EXPECT_EQ(standings[3].racer, 3u);
  EXPECT_FALSE(standings[3].seen);
  EXPECT_EQ(standings[0].score, selection::EnsembleScores({source, bad, collapsed, good})[3]);

  const auto restored = StandingsFrom(ToTensors({standings, {standings[0]}}));
  ASSERT_TRUE(restored.ok()) << restored.status();
  const std::vector<std::vector<Standing>>& read = *restored;
  ASSERT_EQ(read.size(), 2u);
  ASSERT_EQ(read[0].size(), 4u);
  EXPECT_EQ(read[0][1].racer, 7u);
  EXPECT_FALSE(read[0][3].seen);
  EXPECT_EQ(read[1][0].score, standings[0].score);
  EXPECT_TRUE(read[1][0].seen->predicted.equal(good.predicted));
  EXPECT_FALSE(StandingsFrom({{"000/000/head", at::zeros({4}, at::kDouble)}}).ok());
}

}  // namespace
}  // namespace acclimate::methods
