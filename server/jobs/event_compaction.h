// What becomes of the metric points of a job that ended long ago.
#ifndef ACCLIMATE_SERVER_JOBS_EVENT_COMPACTION_H_
#define ACCLIMATE_SERVER_JOBS_EVENT_COMPACTION_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/jobs/sqlite_database.h"

namespace acclimate::jobs {

// A stretch of one job's events that is to be thinned out.
struct CompactionStep {
  int64_t sequence = 0;     // of the job
  int64_t after = 0;        // events up to here have been seen
  int64_t last_cursor = 0;  // of the job
};

// The next stretch of a job that ended before `horizon`; nullopt: there is none.
absl::StatusOr<std::optional<CompactionStep>> NextCompactionStep(Connection& connection,
                                                                 absl::Time horizon);

// Within a write transaction: of the stretch's metric points about one in last_cursor / 1000 stays,
// evenly, with the first and the last of each phase, so that curves look as before; a
// MetricsDropped takes the place of each run of others, under the cursor of its last one. Every
// other event stays. A watch from any cursor sees no gap.
absl::Status Compact(Connection& connection, const CompactionStep& step);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_EVENT_COMPACTION_H_
