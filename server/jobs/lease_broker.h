// What a node needs of the queue: leases on jobs, and a place to report to. In this process the
// queue itself; on another machine a client of it.
#ifndef ACCLIMATE_SERVER_JOBS_LEASE_BROKER_H_
#define ACCLIMATE_SERVER_JOBS_LEASE_BROKER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"
#include "acclimate/v1/worker.pb.h"

namespace acclimate::jobs {

struct Lease {
  v1::AttemptId id;
  v1::JobSpec spec;
  std::string trace_id;         // for the log; empty: none
  int batch_divisor = 1;        // of Attempt
  v1::Checkpointed checkpoint;  // to go on from; without a blob: begin anew
};

struct AttemptOutcome {
  enum class Kind { kSucceeded, kCancelled, kPaused, kFailed };
  Kind kind = Kind::kFailed;
  v1::JobResult result;  // kSucceeded
  absl::Status error;    // kFailed: what the client is told
  v1::AttemptCause cause = v1::ATTEMPT_CAUSE_UNSPECIFIED;
  int signal = 0;
  int exit_code = 0;
  v1::Checkpointed checkpoint;  // that the attempt left behind at its end; without a blob: none
  std::string last_phase;
  std::string stderr_tail;        // at most 8 KiB
  int64_t peak_memory_bytes = 0;  // of the worker, without mapped files; 0: not known
  // What the result names stays as long as these: until the outcome is durable.
  std::vector<std::shared_ptr<const void>> holds;
};

// Contract:
// 1. A lease is exclusive: its epoch is larger than that of every earlier lease on the job.
// 2. Every report carries the lease's AttemptId; ABORTED when the epoch is stale or the job has
//    ended, and nothing is written. The node then kills that worker.
// 3. A lease that is neither renewed nor reported on for a while is over: its attempt is LOST.
// 4. A report that returns OK is durable, except progress points, which may be batched.
// 5. Thread-safe.
// 6. A job that is preempted saves its state as one that is paused, and finishes as PREEMPTED.
// 7. Finish with kFailed and cause DRAINED (the node is shutting down) or PREEMPTED ends the
//    attempt but not the job: it goes back to QUEUED, unless its cancellation was asked for, and
//    the next attempt goes on from the job's checkpoint. What else retry_policy.h says is tried
//    again waits there first.
class LeaseBroker {
 public:
  virtual ~LeaseBroker() = default;

  // Waits until a job is queued; nullopt after `timeout`. The job is STARTING from here on.
  virtual absl::StatusOr<std::optional<Lease>> Acquire(const std::string& node,
                                                       absl::Duration timeout) = 0;
  virtual absl::Status Started(const v1::AttemptId& id) = 0;  // RUNNING; again: nothing
  // The node still holds the lease. Cheap: nothing is written.
  virtual absl::Status Renew(const v1::AttemptId& id) = 0;
  virtual absl::Status ReportProgress(const v1::AttemptId& id, const v1::Progress& progress) = 0;
  virtual absl::Status ReportWarning(const v1::AttemptId& id, const std::string& message) = 0;
  virtual absl::Status ReportCheckpoint(const v1::AttemptId& id,
                                        const v1::Checkpointed& checkpoint) = 0;
  virtual absl::Status Finish(const v1::AttemptId& id, const AttemptOutcome& outcome) = 0;

  enum class Wish { kCancel, kPause, kPreempt };
  // Called from any thread when a leased job is to stop: a client wants it, or, for kPreempt, a job
  // of higher priority needs its slot. Set once, before Acquire.
  virtual void OnWish(std::function<void(const v1::AttemptId&, Wish)> listener) = 0;
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_LEASE_BROKER_H_
