#include "server/base/earliest_now.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "server/base/instant.h"

namespace acclimate {
namespace {

const absl::Time kWallBegin = absl::Now();
const Instant kBegin = Instant::Now();

}  // namespace

absl::Time EarliestNow(absl::Time wall_begin, absl::Duration since_begin, absl::Time wall) {
  return std::min(wall, wall_begin + since_begin);
}

absl::Time EarliestNow() { return EarliestNow(kWallBegin, Instant::Now() - kBegin, absl::Now()); }

}  // namespace acclimate
