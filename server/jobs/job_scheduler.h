// The queue's view of the scheduler: which job is leased next, who may queue one more, how much
// memory each reserves, and who makes room.
#ifndef ACCLIMATE_SERVER_JOBS_JOB_SCHEDULER_H_
#define ACCLIMATE_SERVER_JOBS_JOB_SCHEDULER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"
#include "server/base/instant.h"
#include "server/base/tenant_policies.h"
#include "server/jobs/fair_scheduler.h"
#include "server/jobs/memory_estimates.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::jobs {

struct JobSchedulerOptions {
  TenantPolicies tenants = TenantPolicies();
  int slots = 1;
  int64_t memory_bytes = 0;            // for all jobs that run at a time; 0: any number
  int64_t job_memory_limit_bytes = 0;  // of one, unless it says less; 0: none
  absl::Duration priority_age = absl::Minutes(10);
  bool preempt = false;
};

// A job that has been preempted is not preempted again for so long.
inline constexpr absl::Duration kPreemptionRest = absl::Minutes(10);

// The index of the queued jobs that may be leased. The store knows better: what it refuses to lease
// is released again. Thread-safe.
class JobScheduler {
 public:
  JobScheduler(JobSchedulerOptions options, metrics::ServerMetrics* metrics);

  // A place in the tenant's queue for a job that is about to be queued; it ends with the object.
  // RESOURCE_EXHAUSTED with JOB_QUOTA_EXCEEDED and RetryInfo: the tenant has as many as it may.
  class Place {
   public:
    Place() = default;
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    friend class JobScheduler;
    JobScheduler* scheduler_ = nullptr;
    std::string tenant_;
  };
  absl::Status TakePlace(const std::string& tenant, Place& place);

  // RESOURCE_EXHAUSTED with JOB_TOO_LARGE: jobs of its kind have needed more memory than all jobs
  // together may use.
  absl::Status CheckFits(const v1::Job& job) const;

  // Of a job that still counts as running: once that is over.
  void Enqueue(const v1::Job& job);
  // Of a job that is queued no more, or waits for its next attempt. Nothing where Enqueue() has
  // seen a later state of it.
  void Dequeue(const v1::Job& job);

  // The name of the job to lease now; it counts as running until one of the next three.
  std::optional<std::string> Next();
  void Release(const std::string& job);  // its attempt has ended
  void PutBack(const std::string& job);  // it could not be leased now, and is queued again
  void Drop(const std::string& job);     // it cannot be leased at all
  void NoteSaved(const std::string& job);
  void SetLeaving(const std::string& job, bool leaving);
  // The job that is to make room for the next one; it counts as leaving from here on.
  std::optional<std::string> ChooseVictim();

  // Why the job waits, for people; empty: for a slot.
  std::string QueueReason(const v1::Job& job) const;

  // What the end of the job's last attempt tells of the memory that its kind needs.
  std::optional<MemoryPeak> Learned(const v1::Job& job) const;
  void Learn(const MemoryPeak& peak);

  int64_t reserved_bytes() const;

 private:
  absl::Duration Now() const { return Instant::Now() - origin_; }
  void EndRun(const std::string& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t LimitOf(const v1::JobSpec& spec) const;  // of its memory; 0: none
  QueuedJob ToQueuedJob(const v1::Job& job) const;
  int64_t ReservationOf(const QueuedJob& job) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool CanNeverFit(const std::string& kind, int64_t limit_bytes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const JobSchedulerOptions options_;
  metrics::ServerMetrics* const metrics_;
  const Instant origin_ = Instant::Now();
  mutable absl::Mutex mutex_;
  MemoryEstimates estimates_ ABSL_GUARDED_BY(mutex_);
  FairScheduler order_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int64_t> cursors_ ABSL_GUARDED_BY(mutex_);  // of queued jobs
  // Queued again while they count as running.
  std::map<std::string, QueuedJob> again_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> places_ ABSL_GUARDED_BY(mutex_);  // taken, by tenant
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_JOB_SCHEDULER_H_
