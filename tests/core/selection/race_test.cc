// The course of a race.
#include "core/methods/race/race.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace acclimate::methods {
namespace {

TEST(Race, AllRunHalfOfTheirPlansAndTheFinalistsTheRest) {
  for (int64_t racers = 1; racers <= 9; ++racers) {
    const std::vector<Round> rounds = RaceRounds(racers);
    EXPECT_EQ(rounds.size(), racers > kFinalists ? 2u : 1u);
    EXPECT_EQ(rounds.front().racers, racers);
    EXPECT_EQ(rounds.front().begin, 0);
    EXPECT_EQ(rounds.back().racers, std::min(racers, kFinalists));
    EXPECT_EQ(rounds.back().end, kSlices);
    if (rounds.size() == 2) {
      EXPECT_EQ(rounds[1].begin, rounds[0].end);
    }
  }
  EXPECT_EQ(RaceSteps(RaceRounds(1)), kSlices);
  EXPECT_EQ(RaceSteps(RaceRounds(6)), 6 * 32 + 4 * 32);
}

// Walking through the steps, every racer of a round does exactly the slices of the round, in order.
TEST(Race, EveryStepHasItsPlace) {
  const std::vector<Round> rounds = RaceRounds(5);
  std::map<std::pair<size_t, size_t>, int64_t> done;
  for (int64_t step = 0; step < RaceSteps(rounds); ++step) {
    const RacePlace place = PlaceOf(rounds, step);
    int64_t& slices = done[{place.round, place.racer}];
    ++slices;
    EXPECT_EQ(place.slice, rounds[place.round].begin + slices);
    EXPECT_EQ(place.round_ends, place.slice == rounds[place.round].end);
  }
  for (size_t round = 0; round < rounds.size(); ++round) {
    for (int64_t racer = 0; racer < rounds[round].racers; ++racer) {
      EXPECT_EQ((done[{round, static_cast<size_t>(racer)}]),
                rounds[round].end - rounds[round].begin);
    }
  }
  EXPECT_EQ(done.size(), 5u + 4);
}

TEST(Race, SlicesCoverAnyPlan) {
  for (const int64_t total : {1, 2, 36, 64, 100, 2000}) {
    EXPECT_EQ(StepsAfter(kSlices, total), total);
    EXPECT_GE(StepsAfter(1, total), 1);
    EXPECT_EQ(StepsAfter(0, total), 0);
  }
}

}  // namespace
}  // namespace acclimate::methods
