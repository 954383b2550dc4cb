// The states of a job and the only changes between them.
#ifndef ACCLIMATE_SERVER_JOBS_STATE_MACHINE_H_
#define ACCLIMATE_SERVER_JOBS_STATE_MACHINE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "acclimate/v1/job.pb.h"

namespace acclimate::jobs {

bool IsTerminal(v1::JobState state);
// STARTING, RUNNING, PAUSING, CANCELLING: an attempt holds a lease on the job.
bool IsLeased(v1::JobState state);
bool CanTransition(v1::JobState from, v1::JobState to);
// FAILED_PRECONDITION names both states and the job.
absl::Status CheckTransition(absl::string_view job, v1::JobState from, v1::JobState to);
// "RUNNING" for JOB_STATE_RUNNING: for filters, messages and metric labels.
absl::string_view ShortName(v1::JobState state);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_STATE_MACHINE_H_
