#include "server/jobs/job_change.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/proto_time.h"
#include "server/jobs/state_machine.h"

namespace acclimate::jobs {
namespace {

constexpr char kAskedFor[] = "asked for by a client";

v1::JobEvent& AddStateEvent(JobChange& change, v1::JobState from, absl::string_view reason,
                            absl::Time now) {
  v1::JobEvent& event = AddEvent(change, now);
  event.mutable_state()->set_from(from);
  event.mutable_state()->set_to(change.job.state());
  event.mutable_state()->set_reason(std::string(reason));
  return event;
}

void CloseAttempt(v1::Job& job, const AttemptOutcome& outcome, absl::Time now) {
  v1::Attempt& attempt = *job.mutable_attempts()->rbegin();
  *attempt.mutable_end_time() = ToProtoTimestamp(now);
  attempt.set_cause(outcome.cause);
  attempt.set_message(std::string(outcome.error.message()));
  attempt.set_signal(outcome.signal);
  attempt.set_exit_code(outcome.exit_code);
  attempt.set_last_phase(outcome.last_phase);
  attempt.set_stderr_tail(outcome.stderr_tail);
  attempt.set_peak_memory_bytes(outcome.peak_memory_bytes);
}

// The attempt ended, but the job has neither a result nor a fault of its own.
bool IsInterruption(const AttemptOutcome& outcome) {
  return outcome.cause == v1::ATTEMPT_CAUSE_PREEMPTED ||
         outcome.cause == v1::ATTEMPT_CAUSE_DRAINED ||
         // Stopped although no client asked for it.
         outcome.kind == AttemptOutcome::Kind::kCancelled ||
         outcome.kind == AttemptOutcome::Kind::kPaused;
}

absl::Status Fail(JobChange& change, const AttemptOutcome& outcome, const std::string& reason,
                  absl::Time now) {
  // The node was unavailable; the job is given up.
  const absl::StatusCode code =
      outcome.cause == v1::ATTEMPT_CAUSE_LOST ? absl::StatusCode::kAborted : outcome.error.code();
  absl::Status error(code, reason.empty() ? std::string(outcome.error.message())
                                          : absl::StrCat(outcome.error.message(), "; ", reason));
  outcome.error.ForEachPayload([&error](absl::string_view type, const absl::Cord& payload) {
    error.SetPayload(type, payload);
  });
  *change.job.mutable_error() = ToRpcStatus(error);
  return ChangeState(change, v1::JOB_STATE_FAILED, error.message(), now);
}

}  // namespace

v1::JobEvent& AddEvent(JobChange& change, absl::Time now) {
  *change.job.mutable_update_time() = ToProtoTimestamp(now);
  v1::JobEvent& event = change.events.emplace_back();
  *event.mutable_time() = ToProtoTimestamp(now);
  event.set_attempt(change.job.attempts_size());
  return event;
}

JobChange NewJob(const std::string& name, const v1::JobSpec& spec, absl::Time now) {
  JobChange change;
  change.job.set_name(name);
  *change.job.mutable_spec() = spec;
  *change.job.mutable_create_time() = ToProtoTimestamp(now);
  change.job.set_state(v1::JOB_STATE_QUEUED);
  AddStateEvent(change, v1::JOB_STATE_UNSPECIFIED, "created", now);
  return change;
}

absl::Status ChangeState(JobChange& change, v1::JobState to, absl::string_view reason,
                         absl::Time now) {
  v1::Job& job = change.job;
  const v1::JobState from = job.state();
  if (absl::Status status = CheckTransition(job.name(), from, to); !status.ok()) return status;
  job.set_state(to);
  job.clear_next_attempt_time();
  if (IsTerminal(to)) *job.mutable_end_time() = ToProtoTimestamp(now);
  AddStateEvent(change, from, reason, now);
  return absl::OkStatus();
}

absl::Status Cancel(JobChange& change, absl::Time now) {
  if (change.job.state() == v1::JOB_STATE_CANCELLING) return absl::OkStatus();
  const v1::JobState to =
      IsLeased(change.job.state()) ? v1::JOB_STATE_CANCELLING : v1::JOB_STATE_CANCELLED;
  return ChangeState(change, to, kAskedFor, now);
}

absl::Status Pause(JobChange& change, absl::Time now) {
  const v1::JobState state = change.job.state();
  if (state == v1::JOB_STATE_PAUSING || state == v1::JOB_STATE_PAUSED) return absl::OkStatus();
  return ChangeState(change, IsLeased(state) ? v1::JOB_STATE_PAUSING : v1::JOB_STATE_PAUSED,
                     kAskedFor, now);
}

absl::Status Resume(JobChange& change, absl::Time now) {
  if (change.job.state() != v1::JOB_STATE_PAUSED) {
    return PreconditionFailed(v1::JOB_STATE, change.job.name(),
                              absl::StrCat(change.job.name(), " is ", ShortName(change.job.state()),
                                           "; only a paused job can be resumed"));
  }
  return ChangeState(change, v1::JOB_STATE_QUEUED, kAskedFor, now);
}

absl::StatusOr<JobChange> Retry(const v1::Job& ended, const std::string& name, absl::Time now) {
  if (ended.state() != v1::JOB_STATE_FAILED && ended.state() != v1::JOB_STATE_CANCELLED) {
    return PreconditionFailed(
        v1::JOB_STATE, ended.name(),
        absl::StrCat(ended.name(), " is ", ShortName(ended.state()),
                     "; only a job that failed or was cancelled can be tried again"));
  }
  JobChange change = NewJob(name, ended.spec(), now);
  change.job.set_retry_of(ended.name());
  const bool whole_batch =
      ended.attempts().empty() || ended.attempts().rbegin()->batch_divisor() <= 1;
  if (ended.has_checkpoint() && whole_batch) AddCheckpoint(change, ended.checkpoint(), now);
  return change;
}

absl::Status BeginAttempt(JobChange& change, const std::string& node, absl::Time now) {
  v1::Job& job = change.job;
  const int64_t last_epoch = job.attempts().empty() ? 0 : job.attempts().rbegin()->epoch();
  v1::Attempt& attempt = *job.add_attempts();
  attempt.set_number(job.attempts_size());
  attempt.set_epoch(last_epoch + 1);
  attempt.set_node(node);
  *attempt.mutable_start_time() = ToProtoTimestamp(now);
  if (const int divisor = BatchDivisor(job); divisor > 1) attempt.set_batch_divisor(divisor);
  attempt.set_resumed_from_step(job.checkpoint().step());
  if (!job.has_start_time()) *job.mutable_start_time() = attempt.start_time();
  return ChangeState(change, v1::JOB_STATE_STARTING, absl::StrCat("leased by node ", node), now);
}

absl::Status GiveUp(JobChange& change, const absl::Status& why, absl::Time now) {
  *change.job.mutable_error() = ToRpcStatus(why);
  return ChangeState(change, v1::JOB_STATE_FAILED, why.message(), now);
}

absl::Status CheckLease(const v1::Job& job, const v1::AttemptId& id) {
  if (!IsLeased(job.state())) {
    return absl::AbortedError(
        absl::StrCat("the lease on ", id.job(), " is over: the job is ", ShortName(job.state())));
  }
  const v1::Attempt& current = *job.attempts().rbegin();
  if (current.epoch() != id.epoch() || current.number() != id.attempt()) {
    return absl::AbortedError(absl::StrCat("the lease on ", id.job(), " with epoch ", id.epoch(),
                                           " is stale: the current one is ", current.epoch()));
  }
  return absl::OkStatus();
}

void AddProgress(JobChange& change, const v1::Progress& progress, absl::Time now) {
  *change.job.mutable_progress() = progress;
  *AddEvent(change, now).mutable_progress() = progress;
}

void AddCheckpoint(JobChange& change, const v1::Checkpointed& checkpoint, absl::Time now) {
  *change.job.mutable_checkpoint() = checkpoint;
  *AddEvent(change, now).mutable_checkpoint() = checkpoint;
}

absl::Status EndAttempt(JobChange& change, const AttemptOutcome& outcome, const RetryPolicy& policy,
                        double jitter, absl::Time now) {
  v1::Job& job = change.job;
  CloseAttempt(job, outcome, now);
  if (!outcome.checkpoint.blob().empty()) AddCheckpoint(change, outcome.checkpoint, now);
  // A state fits the batch size that it was made with.
  if (BatchDivisor(job) != std::max(1, job.attempts().rbegin()->batch_divisor())) {
    job.clear_checkpoint();
  }
  if (outcome.kind == AttemptOutcome::Kind::kSucceeded) {
    // The report that it started may have been lost.
    if (job.state() == v1::JOB_STATE_STARTING) {
      absl::Status status =
          ChangeState(change, v1::JOB_STATE_RUNNING, "the worker has started", now);
      if (!status.ok()) return status;
    }
    *job.mutable_result() = outcome.result;
    job.clear_checkpoint();
    *AddEvent(change, now).mutable_result() = outcome.result;
    return ChangeState(change, v1::JOB_STATE_SUCCEEDED, "finished", now);
  }
  if (job.state() == v1::JOB_STATE_CANCELLING) {
    return ChangeState(change, v1::JOB_STATE_CANCELLED, "the attempt has ended", now);
  }
  const bool interrupted = IsInterruption(outcome);
  const RetryDecision decision = interrupted ? RetryDecision() : DecideRetry(job, policy);
  if (!interrupted && !decision.retry) return Fail(change, outcome, decision.reason, now);
  if (job.state() == v1::JOB_STATE_PAUSING) {
    return ChangeState(change, v1::JOB_STATE_PAUSED, "the attempt has ended", now);
  }
  job.clear_progress();
  const absl::Status status =
      ChangeState(change, v1::JOB_STATE_QUEUED,
                  outcome.error.ok() ? "attempt interrupted" : outcome.error.message(), now);
  if (const absl::Duration wait = decision.longest_wait * jitter; wait > absl::ZeroDuration()) {
    *job.mutable_next_attempt_time() = ToProtoTimestamp(now + wait);
  }
  return status;
}

}  // namespace acclimate::jobs
