// What can happen to a job, as pure changes of it and its history: no store, no clock, no locks.
#ifndef ACCLIMATE_SERVER_JOBS_JOB_CHANGE_H_
#define ACCLIMATE_SERVER_JOBS_JOB_CHANGE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/jobs/job_store.h"
#include "server/jobs/lease_broker.h"
#include "server/jobs/retry_policy.h"

namespace acclimate::jobs {

// A queued job with its first event.
JobChange NewJob(const std::string& name, const v1::JobSpec& spec, absl::Time now);

// What a client asks for. Nothing changes where the job is so already; FAILED_PRECONDITION where it
// cannot become so.
absl::Status Cancel(JobChange& change, absl::Time now);
absl::Status Pause(JobChange& change, absl::Time now);
absl::Status Resume(JobChange& change, absl::Time now);
// A new job in place of `ended`, which must have FAILED or been CANCELLED.
absl::StatusOr<JobChange> Retry(const v1::Job& ended, const std::string& name, absl::Time now);

// Adds an event of the current attempt.
v1::JobEvent& AddEvent(JobChange& change, absl::Time now);

// FAILED_PRECONDITION when the table forbids it.
absl::Status ChangeState(JobChange& change, v1::JobState to, absl::string_view reason,
                         absl::Time now);

// QUEUED to STARTING: a new attempt under a new epoch.
absl::Status BeginAttempt(JobChange& change, const std::string& node, absl::Time now);

// QUEUED to FAILED: the job can never run.
absl::Status GiveUp(JobChange& change, const absl::Status& why, absl::Time now);

// ABORTED unless `id` is the job's current attempt and it holds the lease.
absl::Status CheckLease(const v1::Job& job, const v1::AttemptId& id);

void AddProgress(JobChange& change, const v1::Progress& progress, absl::Time now);

// The job's newest checkpoint.
void AddCheckpoint(JobChange& change, const v1::Checkpointed& checkpoint, absl::Time now);

// Closes the attempt and takes the job where the outcome leads: to its end, or back to the queue
// when the attempt was interrupted (PREEMPTED, DRAINED) or failed in a way that may pass. After a
// failure it waits there for the policy's longest wait times `jitter`, in [0, 1):
// next_attempt_time.
absl::Status EndAttempt(JobChange& change, const AttemptOutcome& outcome, const RetryPolicy& policy,
                        double jitter, absl::Time now);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_JOB_CHANGE_H_
