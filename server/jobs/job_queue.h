// The queue: every change of a job passes through it.
#ifndef ACCLIMATE_SERVER_JOBS_JOB_QUEUE_H_
#define ACCLIMATE_SERVER_JOBS_JOB_QUEUE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"
#include "server/base/instant.h"
#include "server/base/wake_up.h"
#include "server/jobs/job_scheduler.h"
#include "server/jobs/job_spans.h"
#include "server/jobs/job_store.h"
#include "server/jobs/lease_broker.h"
#include "server/jobs/progress_buffer.h"
#include "server/jobs/retry_policy.h"
#include "server/jobs/watch_hub.h"
#include "server/metrics/server_metrics.h"
#include "server/tracing/span.h"

namespace acclimate::jobs {

struct JobQueueOptions {
  JobSchedulerOptions scheduling = {};
  RetryPolicy retry = {};
  // A lease that is not renewed for so long is lost.
  absl::Duration lease_timeout = absl::Seconds(15);
  // A job's progress is written at most this often; points in between are merged. Its first
  // points of a phase do not wait, as long as there are not many phases.
  absl::Duration progress_interval = absl::Milliseconds(100);
  // A watcher that is further behind than this loses metric points.
  int64_t watch_backlog_bytes = 256 << 10;
  // Asked before a job is added, and not for one that its request has made before. Null: there is
  // always room.
  std::function<absl::Status()> check_room = nullptr;
  tracing::SpanSink* spans = nullptr;  // null: none are made
};

// The lease broker of this process, over a JobStore.
//
// 1. Queued jobs are leased in the order of fair_scheduler.h.
// 2. Only the transitions of state_machine.h happen; a state change and its event are one commit.
// 3. Reports under a stale epoch, or on a job that no longer holds a lease, return ABORTED and
//    change nothing.
// 4. Times are counted on a clock that nobody sets: no jump of the wall clock ends a lease or
//    lengthens a wait.
// 5. Progress points are merged; every other report is durable when it returns.
// 6. Thread-safe. `store` and `metrics` outlive the queue.
class JobQueue : public LeaseBroker {
 public:
  JobQueue(JobStore* store, metrics::ServerMetrics* metrics, JobQueueOptions options = {});
  ~JobQueue() override;

  // Closes the attempts of an earlier process as LOST: CANCELLING becomes CANCELLED, PAUSING
  // PAUSED, the others go back to the queue at once, as do those that waited for a retry. Call
  // once, before anything else.
  absl::Status Recover();

  // For clients.
  // `traceparent` is that of the call, and may be empty.
  absl::StatusOr<CreatedJob> Create(const std::string& tenant, const v1::JobSpec& spec,
                                    const std::string& request_id,
                                    const std::string& traceparent = "");
  absl::StatusOr<v1::Job> Get(const std::string& name);
  absl::StatusOr<JobPage> List(const JobQuery& query);
  absl::StatusOr<v1::Job> Cancel(const std::string& name);
  absl::StatusOr<v1::Job> Pause(const std::string& name);
  absl::StatusOr<v1::Job> Resume(const std::string& name);
  absl::StatusOr<CreatedJob> Retry(const std::string& name, const std::string& request_id,
                                   const std::string& traceparent = "");
  absl::Status Delete(const std::string& name);

  // Every event after the cursor, live ones too, until the job has ended; as WatchHub::Open().
  absl::StatusOr<std::shared_ptr<WatchHub::Watch>> Watch(const std::string& name,
                                                         int64_t after_cursor,
                                                         std::function<void()> ready) {
    return watches_.Open(name, after_cursor, std::move(ready));
  }

  // For nodes.
  absl::StatusOr<std::optional<Lease>> Acquire(const std::string& node,
                                               absl::Duration timeout) override;
  absl::Status Started(const v1::AttemptId& id) override;
  absl::Status Renew(const v1::AttemptId& id) override;
  absl::Status ReportProgress(const v1::AttemptId& id, const v1::Progress& progress) override;
  absl::Status ReportWarning(const v1::AttemptId& id, const std::string& message) override;
  absl::Status ReportCheckpoint(const v1::AttemptId& id,
                                const v1::Checkpointed& checkpoint) override;
  absl::Status Finish(const v1::AttemptId& id, const AttemptOutcome& outcome) override;
  void OnWish(std::function<void(const v1::AttemptId&, Wish)> listener) override;

  metrics::JobStatistics Statistics();
  int64_t ReservedMemoryBytes() const { return scheduler_.reserved_bytes(); }

  // Ends every Watch and makes every Acquire return nullopt. Reports still work.
  void Shutdown();

 private:
  // What is known of a leased job besides what the store holds.
  struct LeaseState {
    v1::AttemptId id;
    Instant renewed = Instant::Now();
    ProgressBuffer progress;
    std::vector<PhaseStart> phases;
  };

  absl::StatusOr<CreatedJob> Add(const JobChange& change, const std::string& request_id);
  absl::StatusOr<v1::Job> Update(const std::string& name, const JobStore::Mutation& mutation);
  absl::StatusOr<std::optional<Lease>> LeaseNext(const std::string& node);
  // nullopt: the store has it in another state than the scheduler, or it was given up.
  absl::StatusOr<std::optional<Lease>> LeaseJob(const std::string& name, const std::string& node);
  // Tells the node of a job that is to be cancelled or paused.
  void MakeWish(const v1::Job& job);
  // As Update, refused when the attempt's lease is over; pending progress is written first.
  absl::StatusOr<v1::Job> UpdateLeased(const v1::AttemptId& id, const JobStore::Mutation& mutation);
  // The job may be leased.
  void Enqueue(const v1::Job& job);
  // Something has changed for those who wait for a lease.
  void AnnounceQueued();
  // Where a queued job has reason to: asks a running one to go back to the queue.
  void MakeRoom();
  void ObserveEnd(const v1::Job& job, const std::vector<PhaseStart>& phases);
  void AddSpans(std::vector<tracing::Span> spans);
  // Returns the phases of the attempt.
  std::vector<PhaseStart> DropLease(const v1::AttemptId& id);

  std::deque<v1::Progress> TakePending(const v1::AttemptId& id);

  // What is to be done now because its time has come.
  struct Due {
    std::vector<v1::AttemptId> flush;  // write the progress of these leases
    std::vector<v1::AttemptId> lost;   // leases that were not renewed
    std::vector<std::string> waited;   // jobs that may be tried again
  };
  // When the lease is lost, unless something comes before.
  Instant LostAt(const LeaseState& lease) const;
  void KeepTime();
  Due TakeDue();
  // When TakeDue() may have something, unless something new comes before.
  Instant NextDue();
  void WaitForRetry(const v1::Job& job);
  void EndWait(const std::string& job);

  JobStore* const store_;
  metrics::ServerMetrics* const metrics_;
  const JobQueueOptions options_;
  JobScheduler scheduler_;
  WatchHub watches_;

  absl::Mutex mutex_;
  absl::CondVar queued_;  // with queued_version_
  int64_t queued_version_ ABSL_GUARDED_BY(mutex_) = 0;
  bool shutdown_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_keeper_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<std::string, LeaseState> leases_ ABSL_GUARDED_BY(mutex_);
  std::multimap<Instant, std::string> waits_ ABSL_GUARDED_BY(mutex_);  // until when, which job
  std::function<void(const v1::AttemptId&, Wish)> on_wish_ ABSL_GUARDED_BY(mutex_);
  WakeUp keeper_wake_up_;
  std::thread keeper_;
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_JOB_QUEUE_H_
