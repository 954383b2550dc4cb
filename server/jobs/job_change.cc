#include "server/jobs/job_change.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/proto_time.h"
#include "server/jobs/state_machine.h"

namespace acclimate::jobs {
namespace {

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
}

int LostAttempts(const v1::Job& job) {
  return static_cast<int>(std::count_if(
      job.attempts().begin(), job.attempts().end(),
      [](const v1::Attempt& attempt) { return attempt.cause() == v1::ATTEMPT_CAUSE_LOST; }));
}

// The attempt ended, but the job has neither a result nor a fault of its own.
bool IsInterruption(const AttemptOutcome& outcome) {
  switch (outcome.cause) {
    case v1::ATTEMPT_CAUSE_LOST:
    case v1::ATTEMPT_CAUSE_PREEMPTED:
    case v1::ATTEMPT_CAUSE_DRAINED:
      return true;
    default:
      // Stopped although no client asked for it.
      return outcome.kind == AttemptOutcome::Kind::kCancelled ||
             outcome.kind == AttemptOutcome::Kind::kPaused;
  }
}

absl::Status Fail(JobChange& change, const absl::Status& error, absl::string_view reason,
                  absl::Time now) {
  *change.job.mutable_error() = ToRpcStatus(error);
  return ChangeState(change, v1::JOB_STATE_FAILED, reason, now);
}

absl::Status Requeue(JobChange& change, const AttemptOutcome& outcome, int max_lost_attempts,
                     absl::Time now) {
  if (const int lost = LostAttempts(change.job); lost >= max_lost_attempts) {
    return Fail(change,
                absl::AbortedError(absl::StrCat(
                    "the job's attempts were lost ", lost,
                    " times, with the server or the node that ran them; not tried again")),
                "lost too often", now);
  }
  // The next attempt begins anew.
  change.job.clear_progress();
  return ChangeState(change, v1::JOB_STATE_QUEUED,
                     outcome.error.ok() ? "attempt interrupted" : outcome.error.message(), now);
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
  if (IsTerminal(to)) *job.mutable_end_time() = ToProtoTimestamp(now);
  AddStateEvent(change, from, reason, now);
  return absl::OkStatus();
}

absl::Status BeginAttempt(JobChange& change, const std::string& node, absl::Time now) {
  v1::Job& job = change.job;
  const int64_t last_epoch = job.attempts().empty() ? 0 : job.attempts().rbegin()->epoch();
  v1::Attempt& attempt = *job.add_attempts();
  attempt.set_number(job.attempts_size());
  attempt.set_epoch(last_epoch + 1);
  attempt.set_node(node);
  *attempt.mutable_start_time() = ToProtoTimestamp(now);
  if (!job.has_start_time()) *job.mutable_start_time() = attempt.start_time();
  return ChangeState(change, v1::JOB_STATE_STARTING, absl::StrCat("leased by node ", node), now);
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

absl::Status EndAttempt(JobChange& change, const AttemptOutcome& outcome, int max_lost_attempts,
                        absl::Time now) {
  v1::Job& job = change.job;
  CloseAttempt(job, outcome, now);
  if (outcome.kind == AttemptOutcome::Kind::kSucceeded) {
    *job.mutable_result() = outcome.result;
    *AddEvent(change, now).mutable_result() = outcome.result;
    return ChangeState(change, v1::JOB_STATE_SUCCEEDED, "finished", now);
  }
  if (job.state() == v1::JOB_STATE_CANCELLING) {
    return ChangeState(change, v1::JOB_STATE_CANCELLED, "the attempt has ended", now);
  }
  if (IsInterruption(outcome)) {
    if (job.state() == v1::JOB_STATE_PAUSING) {
      return ChangeState(change, v1::JOB_STATE_PAUSED, "the attempt has ended", now);
    }
    return Requeue(change, outcome, max_lost_attempts, now);
  }
  return Fail(change, outcome.error, outcome.error.message(), now);
}

}  // namespace acclimate::jobs
