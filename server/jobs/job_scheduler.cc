#include "server/jobs/job_scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/proto_time.h"
#include "server/base/resource_names.h"
#include "server/jobs/retry_policy.h"

namespace acclimate::jobs {
namespace {

// A place in a full queue may be free at any time.
constexpr absl::Duration kRetryPlace = absl::Seconds(5);

// The peak, and a quarter more: runs differ, and it is measured twice a second.
int64_t WithMargin(int64_t bytes) { return bytes + bytes / 4; }

// The smaller of two, of which 0 is none.
int64_t WithinLimit(int64_t bytes, int64_t limit_bytes) {
  return limit_bytes > 0 ? std::min(bytes, limit_bytes) : bytes;
}

FairSchedulerOptions OrderOptions(const JobSchedulerOptions& options) {
  FairSchedulerOptions order;
  order.slots = options.slots;
  order.memory_bytes = options.memory_bytes;
  order.priority_age = options.priority_age;
  order.policy_of = [&options](const std::string& tenant) { return options.tenants.Of(tenant); };
  return order;
}

}  // namespace

JobScheduler::JobScheduler(JobSchedulerOptions options, metrics::ServerMetrics* metrics)
    : options_(std::move(options)), metrics_(metrics), order_([this] {
        FairSchedulerOptions order = OrderOptions(options_);
        order.reservation_of = [this](const QueuedJob& job)
                                   ABSL_NO_THREAD_SAFETY_ANALYSIS { return ReservationOf(job); };
        return order;
      }()) {}

JobScheduler::Place::~Place() {
  if (scheduler_ == nullptr) return;
  absl::MutexLock lock(&scheduler_->mutex_);
  const auto found = scheduler_->places_.find(tenant_);
  if (--found->second == 0) scheduler_->places_.erase(found);
}

absl::Status JobScheduler::TakePlace(const std::string& tenant, Place& place) {
  const int limit = options_.tenants.Of(tenant).max_queued;
  int queued = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = places_.find(tenant);
    queued = order_.QueuedOf(tenant) + (found == places_.end() ? 0 : found->second);
    if (limit <= 0 || queued < limit) {
      ++places_[tenant];
      place.scheduler_ = this;
      place.tenant_ = tenant;
      return absl::OkStatus();
    }
  }
  metrics_->CountLimitedCall("queued_jobs");
  const std::string whose = absl::StrCat("tenants/", tenant);
  return WithRetryAfter(
      QuotaExceeded(v1::JOB_QUOTA_EXCEEDED, whose,
                    absl::StrCat(whose, " has ", queued, " queued jobs, and may have at most ",
                                 limit, " (max-queued)")),
      kRetryPlace);
}

int64_t JobScheduler::LimitOf(const v1::JobSpec& spec) const {
  const int64_t own = spec.limits().memory_bytes();
  return own > 0 ? WithinLimit(own, options_.job_memory_limit_bytes)
                 : options_.job_memory_limit_bytes;
}

QueuedJob JobScheduler::ToQueuedJob(const v1::Job& job) const {
  QueuedJob queued;
  queued.name = job.name();
  queued.tenant = TenantOfJob(job.name());
  queued.priority = job.spec().priority();
  queued.created = FromProtoTimestamp(job.create_time());
  queued.memory_kind = MemoryKind(job.spec(), BatchDivisor(job));
  queued.memory_limit_bytes = LimitOf(job.spec());
  for (const v1::Attempt& attempt : job.attempts()) {
    if (attempt.cause() != v1::ATTEMPT_CAUSE_PREEMPTED) continue;
    // A clock that was set back adds no rest.
    const absl::Duration since = absl::Now() - FromProtoTimestamp(attempt.end_time());
    queued.preemptible_from = Now() + kPreemptionRest - std::max(absl::ZeroDuration(), since);
  }
  return queued;
}

bool JobScheduler::CanNeverFit(const std::string& kind, int64_t limit_bytes) const {
  const std::optional<int64_t> peak = estimates_.PeakOf(kind);
  return options_.memory_bytes > 0 && peak.has_value() &&
         WithinLimit(*peak, limit_bytes) > options_.memory_bytes;
}

absl::Status JobScheduler::CheckFits(const v1::Job& job) const {
  const std::string kind = MemoryKind(job.spec(), BatchDivisor(job));
  absl::MutexLock lock(&mutex_);
  if (!CanNeverFit(kind, LimitOf(job.spec()))) return absl::OkStatus();
  return QuotaExceeded(
      v1::JOB_TOO_LARGE, "memory-for-jobs",
      absl::StrCat("a job of this method, model and batch size has used ", *estimates_.PeakOf(kind),
                   " bytes of memory; all jobs together may use ", options_.memory_bytes,
                   " (--memory-for-jobs)"));
}

int64_t JobScheduler::ReservationOf(const QueuedJob& job) const {
  // It is not held back: whoever leases it sees that it does not fit, and ends it.
  if (CanNeverFit(job.memory_kind, job.memory_limit_bytes)) return 0;
  const std::optional<int64_t> peak = estimates_.PeakOf(job.memory_kind);
  const int64_t needed =
      peak.has_value() ? WithMargin(*peak) : options_.memory_bytes / std::max(1, options_.slots);
  return std::min(WithinLimit(needed, job.memory_limit_bytes), options_.memory_bytes);
}

void JobScheduler::Enqueue(const v1::Job& job) {
  absl::MutexLock lock(&mutex_);
  cursors_[job.name()] = job.last_cursor();
  if (order_.Runs(job.name())) {
    again_[job.name()] = ToQueuedJob(job);
  } else {
    order_.Add(ToQueuedJob(job));
  }
}

void JobScheduler::Dequeue(const v1::Job& job) {
  absl::MutexLock lock(&mutex_);
  const auto found = cursors_.find(job.name());
  if (found == cursors_.end() || found->second > job.last_cursor()) return;
  cursors_.erase(found);
  order_.Remove(job.name());
  again_.erase(job.name());
}

std::optional<std::string> JobScheduler::Next() {
  absl::MutexLock lock(&mutex_);
  const std::optional<QueuedJob> next = order_.Lease(Now());
  if (!next.has_value()) return std::nullopt;
  return next->name;
}

void JobScheduler::Release(const std::string& job) {
  absl::MutexLock lock(&mutex_);
  order_.Release(job, Now());
  EndRun(job);
}

void JobScheduler::EndRun(const std::string& job) {
  const auto again = again_.find(job);
  if (again == again_.end()) {
    cursors_.erase(job);
    return;
  }
  order_.Add(std::move(again->second));
  again_.erase(again);
}

void JobScheduler::PutBack(const std::string& job) {
  absl::MutexLock lock(&mutex_);
  order_.PutBack(job);
  again_.erase(job);
}

void JobScheduler::Drop(const std::string& job) {
  absl::MutexLock lock(&mutex_);
  order_.PutBack(job);
  order_.Remove(job);
  EndRun(job);
}

void JobScheduler::NoteSaved(const std::string& job) {
  absl::MutexLock lock(&mutex_);
  order_.NoteSaved(job, Now());
}

void JobScheduler::SetLeaving(const std::string& job, bool leaving) {
  absl::MutexLock lock(&mutex_);
  order_.SetLeaving(job, leaving);
}

std::optional<std::string> JobScheduler::ChooseVictim() {
  if (!options_.preempt) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  std::optional<std::string> victim = order_.Victim(Now());
  if (victim.has_value()) order_.SetLeaving(*victim, true);
  return victim;
}

std::string JobScheduler::QueueReason(const v1::Job& job) const {
  const std::string tenant = TenantOfJob(job.name());
  absl::MutexLock lock(&mutex_);
  const std::optional<FairScheduler::Wait> wait = order_.WaitOf(job.name());
  if (wait == FairScheduler::Wait::kTenantLimit) {
    return absl::StrCat("tenants/", tenant, " runs ", order_.RunningOf(tenant),
                        " jobs, which is the most that it may (max-running)");
  }
  if (wait == FairScheduler::Wait::kMemory) {
    return absl::StrCat("waits for ", ReservationOf(ToQueuedJob(job)),
                        " bytes of memory; those that run reserve ", order_.reserved_bytes(),
                        " of ", options_.memory_bytes, " (--memory-for-jobs)");
  }
  return "";
}

std::optional<MemoryPeak> JobScheduler::Learned(const v1::Job& job) const {
  const v1::Attempt& attempt = *job.attempts().rbegin();
  absl::MutexLock lock(&mutex_);
  return estimates_.Learned(MemoryKind(job.spec(), attempt.batch_divisor()),
                            attempt.peak_memory_bytes(), job.state() == v1::JOB_STATE_SUCCEEDED);
}

void JobScheduler::Learn(const MemoryPeak& peak) {
  absl::MutexLock lock(&mutex_);
  estimates_.Set(peak);
}

int64_t JobScheduler::reserved_bytes() const {
  absl::MutexLock lock(&mutex_);
  return order_.reserved_bytes();
}

}  // namespace acclimate::jobs
