#include "server/base/earliest_now.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace acclimate {
namespace {

const absl::Time kBegin = absl::UnixEpoch() + absl::Hours(1000);

// How old a file of `written` is after an hour, on a clock that then shows `wall`.
absl::Duration Age(absl::Time written, absl::Time wall) {
  return EarliestNow(kBegin, absl::Hours(1), wall) - written;
}

TEST(EarliestNowTest, IsTheWallClockThatNobodySets) {
  EXPECT_EQ(Age(kBegin, kBegin + absl::Hours(1)), absl::Hours(1));
  EXPECT_LE(EarliestNow(), absl::Now());
  EXPECT_GT(EarliestNow(), absl::Now() - absl::Hours(1));
}

TEST(EarliestNowTest, NothingGetsOldByAJump) {
  EXPECT_EQ(Age(kBegin, kBegin + absl::Hours(100)), absl::Hours(1));
  // Written after a jump back by ten hours, ten minutes ago.
  const absl::Time wall = kBegin - absl::Hours(9);
  EXPECT_EQ(Age(wall - absl::Minutes(10), wall), absl::Minutes(10));
}

}  // namespace
}  // namespace acclimate
