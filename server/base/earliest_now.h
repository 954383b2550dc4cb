// The time for deciding that something is old enough to be thrown away.
#ifndef ACCLIMATE_SERVER_BASE_EARLIEST_NOW_H_
#define ACCLIMATE_SERVER_BASE_EARLIEST_NOW_H_

#include "absl/time/time.h"

namespace acclimate {

// Times of files are the wall clock's, which somebody may set. This is the earlier of what it shows
// and of what it would show had nobody set it since the process began: a clock that jumps ahead
// makes nothing old, one that jumps back keeps things longer.
absl::Time EarliestNow();

// The same for a clock that showed `wall_begin` when the process began, and now shows `wall`.
absl::Time EarliestNow(absl::Time wall_begin, absl::Duration since_begin, absl::Time wall);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_EARLIEST_NOW_H_
