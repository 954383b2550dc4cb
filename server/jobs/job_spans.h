// A job as spans:
//
//   the call that created it
//   └── job
//       ├── queue            once an attempt
//       └── attempt
//           ├── loading_data, ...
//           └── training
//
// The spans of a job and its attempts follow from their names, so that a server that is started
// again goes on with them.
#ifndef ACCLIMATE_SERVER_JOBS_JOB_SPANS_H_
#define ACCLIMATE_SERVER_JOBS_JOB_SPANS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"
#include "server/tracing/span.h"

namespace acclimate::jobs {

struct PhaseStart {
  std::string phase;
  absl::Time time;
};

// What has ended with the job's newest attempt: the attempt with its wait and its phases, and the
// job where it is over. Nothing where its trace is not sampled.
std::vector<tracing::Span> SpansOfAttempt(const v1::Job& job,
                                          const std::vector<PhaseStart>& phases);
// Of a job that was cancelled in the queue: its wait, and the job.
std::vector<tracing::Span> SpansOfQueued(const v1::Job& job);

// Of the job, for the log; empty where it has none.
std::string TraceIdOf(const v1::Job& job);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_JOB_SPANS_H_
