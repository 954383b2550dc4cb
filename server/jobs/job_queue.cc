#include "server/jobs/job_queue.h"

#include <openssl/evp.h>

#include <algorithm>
#include <climits>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/base/proto_time.h"
#include "server/base/random_id.h"
#include "server/base/resource_names.h"
#include "server/jobs/job_change.h"
#include "server/jobs/state_machine.h"

namespace acclimate::jobs {
namespace {

// Phases of one attempt that become spans; a longer list keeps the first.
constexpr size_t kMaxPhaseSpans = 64;

// The same for equal specs: maps are serialised in the order of their keys.
std::string SpecDigest(const v1::JobSpec& spec) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    spec.SerializeToCodedStream(&coded);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), length));
}

v1::AttemptId CurrentAttempt(const v1::Job& job) {
  v1::AttemptId id;
  id.set_job(job.name());
  id.set_attempt(job.attempts().rbegin()->number());
  id.set_epoch(job.attempts().rbegin()->epoch());
  return id;
}

bool SameAttempt(const v1::AttemptId& a, const v1::AttemptId& b) {
  return a.epoch() == b.epoch() && a.attempt() == b.attempt();
}

// The mutation, which also leaves its events in `events`.
JobStore::Mutation Noting(std::vector<v1::JobEvent>& events, const JobStore::Mutation& mutation) {
  return [&events, mutation](JobChange& change) {
    const absl::Status status = mutation(change);
    events = change.events;
    return status;
  };
}

AttemptOutcome LostAttempt(absl::string_view why) {
  AttemptOutcome lost;
  lost.cause = v1::ATTEMPT_CAUSE_LOST;
  lost.error = absl::UnavailableError(why);
  return lost;
}

}  // namespace

JobQueue::JobQueue(JobStore* store, metrics::ServerMetrics* metrics, JobQueueOptions options)
    : store_(store),
      metrics_(metrics),
      options_(std::move(options)),
      scheduler_(options_.scheduling, metrics),
      watches_(store, options_.watch_backlog_bytes),
      keeper_([this] { KeepTime(); }) {}

JobQueue::~JobQueue() {
  Shutdown();
  {
    absl::MutexLock lock(&mutex_);
    stop_keeper_ = true;
  }
  keeper_wake_up_.Wake();
  keeper_.join();
}

void JobQueue::Shutdown() {
  watches_.Shutdown();
  absl::MutexLock lock(&mutex_);
  shutdown_ = true;
  queued_.SignalAll();
}

absl::Status JobQueue::Recover() {
  const AttemptOutcome lost = LostAttempt("the server stopped while the attempt was running");
  for (v1::JobState state : {v1::JOB_STATE_STARTING, v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSING,
                             v1::JOB_STATE_CANCELLING}) {
    absl::StatusOr<std::vector<v1::Job>> jobs =
        store_->Select({state, std::nullopt, StateQuery::Order::kOldest, INT_MAX});
    if (!jobs.ok()) return jobs.status();
    for (const v1::Job& job : *jobs) {
      absl::StatusOr<v1::Job> recovered = Update(job.name(), [&](JobChange& change) {
        return EndAttempt(change, lost, options_.retry, /*jitter=*/0, absl::Now());
      });
      if (!recovered.ok()) return recovered.status();
      AddSpans(SpansOfAttempt(*recovered, {}));
      LogInfo("job recovered after a restart", {{"job", job.name()},
                                                {"trace", TraceIdOf(job)},
                                                {"from", ShortName(state)},
                                                {"to", ShortName(recovered->state())}});
    }
  }
  const absl::StatusOr<std::vector<MemoryPeak>> peaks = store_->MemoryPeaks();
  if (!peaks.ok()) return peaks.status();
  for (const MemoryPeak& peak : *peaks) scheduler_.Learn(peak);
  const absl::StatusOr<std::vector<std::string>> waiting = store_->Waiting();
  if (!waiting.ok()) return waiting.status();
  for (const std::string& job : *waiting) EndWait(job);
  const absl::Status status =
      store_->VisitQueued([this](const v1::Job& job) { scheduler_.Enqueue(job); });
  AnnounceQueued();
  return status;
}

absl::StatusOr<CreatedJob> JobQueue::Create(const std::string& tenant, const v1::JobSpec& spec,
                                            const std::string& request_id,
                                            const std::string& traceparent) {
  JobChange change = NewJob(JobName(tenant, NewRandomId()), spec, absl::Now());
  change.job.set_traceparent(traceparent);
  return Add(change, request_id);
}

absl::StatusOr<CreatedJob> JobQueue::Add(const JobChange& change, const std::string& request_id) {
  const v1::JobSpec& spec = change.job.spec();
  JobScheduler::Place place;
  absl::StatusOr<CreatedJob> created = store_->Create(
      change, request_id, absl::StrCat(SpecDigest(spec), change.job.retry_of()),
      [&](JobChange& added) {
        absl::Status status = options_.check_room ? options_.check_room() : absl::OkStatus();
        if (status.ok()) status = scheduler_.CheckFits(added.job);
        if (status.ok()) status = scheduler_.TakePlace(TenantOfJob(added.job.name()), place);
        return status;
      });
  if (created.ok() && !created->existed) {
    LogInfo("job queued", {{"job", created->job.name()}, {"method", spec.method()}});
    Enqueue(created->job);
  }
  return created;
}

absl::StatusOr<CreatedJob> JobQueue::Retry(const std::string& name, const std::string& request_id,
                                           const std::string& traceparent) {
  const absl::StatusOr<v1::Job> ended = store_->Get(name);
  if (!ended.ok()) return ended.status();
  const absl::StatusOr<ResourceName> parsed = ParseJobName(name);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<JobChange> change =
      jobs::Retry(*ended, JobName(parsed->tenant, NewRandomId()), absl::Now());
  if (!change.ok()) return change.status();
  change->job.set_traceparent(traceparent);
  return Add(*change, request_id);
}

absl::StatusOr<v1::Job> JobQueue::Get(const std::string& name) {
  absl::StatusOr<v1::Job> job = store_->Get(name);
  if (job.ok() && job->state() == v1::JOB_STATE_QUEUED) {
    job->set_queue_reason(scheduler_.QueueReason(*job));
  }
  return job;
}

absl::StatusOr<JobPage> JobQueue::List(const JobQuery& query) {
  absl::StatusOr<JobPage> page = store_->List(query);
  if (!page.ok()) return page;
  for (v1::Job& job : page->jobs) {
    if (job.state() == v1::JOB_STATE_QUEUED) job.set_queue_reason(scheduler_.QueueReason(job));
  }
  return page;
}

absl::StatusOr<v1::Job> JobQueue::Cancel(const std::string& name) {
  absl::StatusOr<v1::Job> job =
      Update(name, [](JobChange& change) { return jobs::Cancel(change, absl::Now()); });
  if (!job.ok()) return job;
  scheduler_.Dequeue(*job);
  MakeWish(*job);
  if (job->state() == v1::JOB_STATE_CANCELLED) AddSpans(SpansOfQueued(*job));
  return job;
}

absl::StatusOr<v1::Job> JobQueue::Pause(const std::string& name) {
  absl::StatusOr<v1::Job> job =
      Update(name, [](JobChange& change) { return jobs::Pause(change, absl::Now()); });
  if (!job.ok()) return job;
  scheduler_.Dequeue(*job);
  MakeWish(*job);
  return job;
}

absl::StatusOr<v1::Job> JobQueue::Resume(const std::string& name) {
  JobScheduler::Place place;
  absl::StatusOr<v1::Job> job = Update(name, [&](JobChange& change) {
    const absl::Status status = jobs::Resume(change, absl::Now());
    return status.ok() ? scheduler_.TakePlace(TenantOfJob(name), place) : status;
  });
  if (job.ok()) Enqueue(*job);
  return job;
}

absl::Status JobQueue::Delete(const std::string& name) {
  absl::Status status = store_->Delete(name, [](JobChange& change) {
    const v1::Job& job = change.job;
    if (IsTerminal(job.state())) return absl::OkStatus();
    return PreconditionFailed(v1::JOB_STATE, job.name(),
                              absl::StrCat(job.name(), " is ", ShortName(job.state()),
                                           "; only a job that has ended can be deleted"));
  });
  if (status.ok()) watches_.PublishDeleted(name);
  return status;
}

absl::StatusOr<v1::Job> JobQueue::Update(const std::string& name,
                                         const JobStore::Mutation& mutation) {
  std::vector<v1::JobEvent> events;
  absl::StatusOr<v1::Job> job = store_->Update(name, Noting(events, mutation));
  if (job.ok()) watches_.Publish(*job, std::move(events));
  return job;
}

absl::StatusOr<v1::Job> JobQueue::UpdateLeased(const v1::AttemptId& id,
                                               const JobStore::Mutation& mutation) {
  const std::deque<v1::Progress> pending = TakePending(id);
  absl::StatusOr<v1::Job> job = Update(id.job(), [&](JobChange& change) {
    if (absl::Status status = CheckLease(change.job, id); !status.ok()) return status;
    for (const v1::Progress& progress : pending) AddProgress(change, progress, absl::Now());
    return mutation(change);
  });
  if (absl::IsNotFound(job.status())) return absl::AbortedError(job.status().message());
  return job;
}

void JobQueue::Enqueue(const v1::Job& job) {
  scheduler_.Enqueue(job);
  AnnounceQueued();
  MakeRoom();
}

void JobQueue::AnnounceQueued() {
  absl::MutexLock lock(&mutex_);
  ++queued_version_;
  queued_.SignalAll();
}

void JobQueue::MakeRoom() {
  const std::optional<std::string> victim = scheduler_.ChooseVictim();
  if (!victim.has_value()) return;
  v1::AttemptId id;
  std::function<void(const v1::AttemptId&, Wish)> listener;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = leases_.find(*victim);
    // The store has not said yet that it is leased.
    if (found == leases_.end()) return scheduler_.SetLeaving(*victim, false);
    id = found->second.id;
    listener = on_wish_;
  }
  LogInfo("a job makes room for one of higher priority", {{"job", *victim}});
  if (listener) listener(id, Wish::kPreempt);
}

absl::StatusOr<std::optional<Lease>> JobQueue::Acquire(const std::string& node,
                                                       absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    int64_t seen = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (shutdown_) return std::nullopt;
      seen = queued_version_;
    }
    absl::StatusOr<std::optional<Lease>> lease = LeaseNext(node);
    if (!lease.ok() || lease->has_value()) return lease;
    absl::MutexLock lock(&mutex_);
    while (queued_version_ == seen && !shutdown_) {
      if (queued_.WaitWithDeadline(&mutex_, deadline)) return std::nullopt;
    }
  }
}

absl::StatusOr<std::optional<Lease>> JobQueue::LeaseNext(const std::string& node) {
  while (const std::optional<std::string> next = scheduler_.Next()) {
    absl::StatusOr<std::optional<Lease>> lease = LeaseJob(*next, node);
    if (!lease.ok()) {
      scheduler_.PutBack(*next);
      return lease;
    }
    if (lease->has_value()) return lease;
    scheduler_.Drop(*next);
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<Lease>> JobQueue::LeaseJob(const std::string& name,
                                                        const std::string& node) {
  absl::Time queued_since;
  std::vector<v1::JobEvent> events;
  const absl::StatusOr<v1::Job> job =
      store_->Update(name, Noting(events, [&](JobChange& change) {
                       if (change.job.has_next_attempt_time())
                         return absl::FailedPreconditionError("it waits");
                       queued_since = FromProtoTimestamp(change.job.update_time());
                       const absl::Status fits = scheduler_.CheckFits(change.job);
                       return fits.ok() ? BeginAttempt(change, node, absl::Now())
                                        : GiveUp(change, fits, absl::Now());
                     }));
  // It was cancelled, paused or deleted a moment ago.
  if (absl::IsFailedPrecondition(job.status()) || absl::IsNotFound(job.status())) {
    return std::nullopt;
  }
  if (!job.ok()) return job.status();
  if (IsTerminal(job->state())) {
    watches_.Publish(*job, std::move(events));
    AddSpans(SpansOfQueued(*job));
    return std::nullopt;
  }
  const v1::AttemptId id = CurrentAttempt(*job);
  {
    absl::MutexLock lock(&mutex_);
    LeaseState lease;
    lease.id = id;
    leases_[id.job()] = std::move(lease);
  }
  keeper_wake_up_.Wake();
  watches_.Publish(*job, std::move(events));
  metrics_->ObserveQueueWait(job->spec().method(), absl::Now() - queued_since);
  return Lease{id, job->spec(), TraceIdOf(*job), BatchDivisor(*job), job->checkpoint()};
}

absl::Status JobQueue::Started(const v1::AttemptId& id) {
  absl::StatusOr<v1::Job> job = UpdateLeased(id, [](JobChange& change) {
    // A wish that came first stands.
    if (change.job.state() != v1::JOB_STATE_STARTING) return absl::OkStatus();
    return ChangeState(change, v1::JOB_STATE_RUNNING, "the worker has started", absl::Now());
  });
  // The node may have missed the wish, if it came before the node knew of the lease.
  if (job.ok()) MakeWish(*job);
  return job.status();
}

absl::Status JobQueue::ReportProgress(const v1::AttemptId& id, const v1::Progress& progress) {
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(id.job());
  if (found == leases_.end() || !SameAttempt(found->second.id, id)) {
    return absl::AbortedError(absl::StrCat("the lease on ", id.job(), " is over"));
  }
  LeaseState& lease = found->second;
  const bool new_phase = lease.progress.Add(progress);
  if (new_phase && options_.spans != nullptr && lease.phases.size() < kMaxPhaseSpans) {
    lease.phases.push_back({progress.phase(), absl::Now()});
  }
  lease.renewed = Instant::Now();
  keeper_wake_up_.Wake();
  return absl::OkStatus();
}

absl::Status JobQueue::Renew(const v1::AttemptId& id) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = leases_.find(id.job());
    if (found == leases_.end() || !SameAttempt(found->second.id, id)) {
      return absl::AbortedError(absl::StrCat("the lease on ", id.job(), " is over"));
    }
    found->second.renewed = Instant::Now();
  }
  MakeRoom();  // time alone may give a queued job reason to ask for it
  return absl::OkStatus();
}

absl::Status JobQueue::ReportWarning(const v1::AttemptId& id, const std::string& message) {
  return UpdateLeased(id,
                      [&](JobChange& change) {
                        AddEvent(change, absl::Now()).set_warning(message);
                        return absl::OkStatus();
                      })
      .status();
}

absl::Status JobQueue::ReportCheckpoint(const v1::AttemptId& id,
                                        const v1::Checkpointed& checkpoint) {
  const absl::Status status = UpdateLeased(id, [&](JobChange& change) {
                                AddCheckpoint(change, checkpoint, absl::Now());
                                return absl::OkStatus();
                              }).status();
  if (status.ok()) scheduler_.NoteSaved(id.job());
  return status;
}

absl::Status JobQueue::Finish(const v1::AttemptId& id, const AttemptOutcome& outcome) {
  const double jitter = absl::Uniform(absl::BitGen(), 0.0, 1.0);
  std::optional<MemoryPeak> learned;
  absl::StatusOr<v1::Job> job = UpdateLeased(id, [&](JobChange& change) {
    const absl::Status status = EndAttempt(change, outcome, options_.retry, jitter, absl::Now());
    learned = change.memory_peak = scheduler_.Learned(change.job);
    return status;
  });
  if (absl::IsUnavailable(job.status()) || absl::IsResourceExhausted(job.status())) {
    return job.status();  // the lease still holds: the node may try again
  }
  const std::vector<PhaseStart> phases = DropLease(id);
  AnnounceQueued();  // there is more room
  if (!job.ok()) return job.status();
  if (learned.has_value()) scheduler_.Learn(*learned);
  ObserveEnd(*job, phases);
  if (job->has_next_attempt_time()) {
    WaitForRetry(*job);
  } else if (job->state() == v1::JOB_STATE_QUEUED) {
    Enqueue(*job);
  }
  return absl::OkStatus();
}

void JobQueue::AddSpans(std::vector<tracing::Span> spans) {
  if (options_.spans == nullptr) return;
  for (tracing::Span& span : spans) options_.spans->Add(std::move(span));
}

void JobQueue::ObserveEnd(const v1::Job& job, const std::vector<PhaseStart>& phases) {
  const v1::Attempt& attempt = *job.attempts().rbegin();
  const absl::Duration run_time =
      FromProtoTimestamp(attempt.end_time()) - FromProtoTimestamp(attempt.start_time());
  metrics_->ObserveRunTime(job.spec().method(), ShortName(job.state()), run_time);
  if (attempt.cause() == v1::ATTEMPT_CAUSE_PREEMPTED) metrics_->CountPreemption();
  if (job.has_next_attempt_time()) {
    metrics_->CountRetry(absl::AsciiStrToLower(
        absl::StripPrefix(v1::AttemptCause_Name(attempt.cause()), "ATTEMPT_CAUSE_")));
  }
  LogInfo("attempt ended", {{"job", job.name()},
                            {"attempt", attempt.number()},
                            {"state", ShortName(job.state())},
                            {"run_seconds", run_time},
                            {"cause", v1::AttemptCause_Name(attempt.cause())},
                            {"error", attempt.message()}});
  AddSpans(SpansOfAttempt(job, phases));
}

std::vector<PhaseStart> JobQueue::DropLease(const v1::AttemptId& id) {
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(id.job());
  if (found == leases_.end() || !SameAttempt(found->second.id, id)) return {};
  std::vector<PhaseStart> phases = std::move(found->second.phases);
  leases_.erase(found);
  scheduler_.Release(id.job());
  return phases;
}

void JobQueue::OnWish(std::function<void(const v1::AttemptId&, Wish)> listener) {
  absl::MutexLock lock(&mutex_);
  on_wish_ = std::move(listener);
}

void JobQueue::MakeWish(const v1::Job& job) {
  const bool cancelling = job.state() == v1::JOB_STATE_CANCELLING;
  if (!cancelling && job.state() != v1::JOB_STATE_PAUSING) return;
  scheduler_.SetLeaving(job.name(), true);
  std::function<void(const v1::AttemptId&, Wish)> listener;
  {
    absl::MutexLock lock(&mutex_);
    listener = on_wish_;
  }
  if (listener) listener(CurrentAttempt(job), cancelling ? Wish::kCancel : Wish::kPause);
}

std::deque<v1::Progress> JobQueue::TakePending(const v1::AttemptId& id) {
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(id.job());
  if (found == leases_.end() || !SameAttempt(found->second.id, id)) return {};
  found->second.renewed = Instant::Now();
  return found->second.progress.Take(found->second.renewed);
}

Instant JobQueue::LostAt(const LeaseState& lease) const {
  return lease.renewed + options_.lease_timeout;
}

JobQueue::Due JobQueue::TakeDue() {
  absl::MutexLock lock(&mutex_);
  const Instant now = Instant::Now();
  Due due;
  for (const auto& [job, lease] : leases_) {
    if (LostAt(lease) <= now) {
      due.lost.push_back(lease.id);
    } else if (lease.progress.FlushAt(options_.progress_interval) <= now) {
      due.flush.push_back(lease.id);
    }
  }
  const auto end = waits_.upper_bound(now);
  for (auto it = waits_.begin(); it != end; ++it) due.waited.push_back(it->second);
  waits_.erase(waits_.begin(), end);
  return due;
}

Instant JobQueue::NextDue() {
  absl::MutexLock lock(&mutex_);
  Instant next = waits_.empty() ? Instant::Never() : waits_.begin()->first;
  for (const auto& [job, lease] : leases_) {
    next = std::min({next, LostAt(lease), lease.progress.FlushAt(options_.progress_interval)});
  }
  return next;
}

void JobQueue::KeepTime() {
  while (true) {
    const Instant next = std::max(NextDue(), Instant::Now());
    keeper_wake_up_.WaitUntil(next);
    keeper_wake_up_.Clear();
    {
      absl::MutexLock lock(&mutex_);
      if (stop_keeper_) return;
      // This process itself was stopped, or had no processor: so may those who renew.
      const absl::Duration late = Instant::Now() - next;
      if (late > options_.lease_timeout / 3) {
        for (auto& [job, lease] : leases_) lease.renewed = Instant::Now();
      }
    }
    const Due due = TakeDue();
    for (const v1::AttemptId& id : due.flush) {
      const absl::Status status =
          UpdateLeased(id, [](JobChange&) { return absl::OkStatus(); }).status();
      if (!status.ok() && !absl::IsAborted(status)) {
        LogWarning("progress was not written",
                   {{"job", id.job()}, {"attempt", id.attempt()}, {"error", status}});
      }
    }
    for (const v1::AttemptId& id : due.lost) {
      const absl::Status status = Finish(id, LostAttempt("its node renewed the lease no more"));
      if (!status.ok() && !absl::IsAborted(status)) Renew(id).IgnoreError();  // later again
      LogWarning("a lease was lost",
                 {{"job", id.job()}, {"attempt", id.attempt()}, {"result", status}});
    }
    for (const std::string& job : due.waited) EndWait(job);
  }
}

void JobQueue::WaitForRetry(const v1::Job& job) {
  const absl::Duration wait =
      FromProtoTimestamp(job.next_attempt_time()) - FromProtoTimestamp(job.update_time());
  LogInfo("job waits for its next attempt",
          {{"job", job.name()}, {"attempts", job.attempts_size()}, {"wait_seconds", wait}});
  {
    absl::MutexLock lock(&mutex_);
    waits_.emplace(Instant::Now() + wait, job.name());
  }
  keeper_wake_up_.Wake();
}

void JobQueue::EndWait(const std::string& job) {
  const absl::StatusOr<v1::Job> waited = store_->Update(job, [](JobChange& change) {
    change.job.clear_next_attempt_time();
    return absl::OkStatus();
  });
  // It may have been cancelled, and deleted, since.
  if (waited.ok() && waited->state() == v1::JOB_STATE_QUEUED) return Enqueue(*waited);
  if (waited.ok() || absl::IsNotFound(waited.status())) return;
  LogWarning("a job could not be queued for its next attempt",
             {{"job", job}, {"error", waited.status()}});
  absl::MutexLock lock(&mutex_);
  waits_.emplace(Instant::Now() + options_.retry.first_delay, job);
}

metrics::JobStatistics JobQueue::Statistics() {
  metrics::JobStatistics statistics;
  absl::StatusOr<std::vector<StateCount>> counts = store_->Counts();
  if (!counts.ok()) {
    LogWarning("jobs were not counted", {{"error", counts.status()}});
    return statistics;
  }
  for (const StateCount& count : *counts) {
    statistics.counts.push_back({std::string(ShortName(count.state)), count.method, count.jobs});
    if (count.state == v1::JOB_STATE_QUEUED) statistics.queue_depth += count.jobs;
  }
  absl::StatusOr<std::vector<v1::Job>> oldest =
      store_->Select({v1::JOB_STATE_QUEUED, std::nullopt, StateQuery::Order::kOldest, 1});
  if (oldest.ok() && !oldest->empty()) {
    statistics.oldest_queue_age = absl::Now() - FromProtoTimestamp(oldest->front().update_time());
  }
  return statistics;
}

}  // namespace acclimate::jobs
