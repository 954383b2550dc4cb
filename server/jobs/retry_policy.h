// Whether a job whose attempt has failed is tried again, and when.
#ifndef ACCLIMATE_SERVER_JOBS_RETRY_POLICY_H_
#define ACCLIMATE_SERVER_JOBS_RETRY_POLICY_H_

#include <string>

#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"

namespace acclimate::jobs {

struct RetryPolicy {
  int max_retries = 5;  // of one job: attempts that crashed, were lost, or found no memory or disk
  // The longest wait before the first retry; it doubles with each.
  absl::Duration first_delay = absl::Seconds(1);
  absl::Duration longest_delay = absl::Seconds(60);
};

struct RetryDecision {
  bool retry = false;
  // The wait is drawn evenly between 0 and this ("full jitter"; Brooker, Exponential Backoff and
  // Jitter, AWS Architecture Blog, 2015), so that jobs that failed together do not return together.
  absl::Duration longest_wait;
  std::string reason;  // why not, where that is more than the attempt's own error; may be empty
};

// Of a job whose last attempt is closed and was neither interrupted (DRAINED, PREEMPTED) nor asked
// to stop. Never again: what the user must mend, a time limit, a second lack of memory, and a crash
// by itself (not by SIGKILL) at a place where an attempt has crashed before: the same phase,
// signal, exit code and words.
RetryDecision DecideRetry(const v1::Job& job, const RetryPolicy& policy);

// What the next attempt divides the job's batch size by: 2 where the job allows it and an attempt
// ran out of memory, else 1.
int BatchDivisor(const v1::Job& job);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_RETRY_POLICY_H_
