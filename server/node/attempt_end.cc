#include "server/node/attempt_end.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/artifacts/file_system.h"
#include "server/protocol/message_limits.h"
#include "server/protocol/valid_utf8.h"

namespace acclimate::node {
namespace {

using jobs::AttemptOutcome;

v1::AttemptCause CauseOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnimplemented:
      return v1::ATTEMPT_CAUSE_USER_ERROR;
    case absl::StatusCode::kResourceExhausted:
      return v1::ATTEMPT_CAUSE_OUT_OF_MEMORY;
    default:
      return v1::ATTEMPT_CAUSE_CRASH;
  }
}

std::string HowItDied(const WorkerExit& exit) {
  if (exit.killed_by_node) return "closed its channel without a result";
  if (exit.signal != 0) return absl::StrCat("was ended by ", SignalName(exit.signal));
  return absl::StrCat("exited with code ", exit.exit_code, " without a result");
}

}  // namespace

AttemptOutcome Failure(v1::AttemptCause cause, absl::Status error) {
  AttemptOutcome outcome;
  outcome.kind = AttemptOutcome::Kind::kFailed;
  outcome.cause = cause;
  outcome.error = std::move(error);
  return outcome;
}

AttemptOutcome OutcomeOfDeath(const WorkerExit& exit, absl::string_view last_phase) {
  const std::string during =
      last_phase.empty() ? "before its first phase" : absl::StrCat("while ", last_phase);
  if (!exit.exceeded.empty()) {
    return Failure(
        exit.out_of_memory ? v1::ATTEMPT_CAUSE_OUT_OF_MEMORY : v1::ATTEMPT_CAUSE_USER_ERROR,
        absl::ResourceExhaustedError(absl::StrCat(exit.exceeded, " ", during)));
  }
  AttemptOutcome outcome =
      exit.out_of_memory
          ? Failure(v1::ATTEMPT_CAUSE_OUT_OF_MEMORY,
                    absl::ResourceExhaustedError(absl::StrCat("out of memory ", during)))
          : Failure(v1::ATTEMPT_CAUSE_CRASH,
                    absl::InternalError(absl::StrCat("the worker ", HowItDied(exit), " ", during)));
  outcome.signal = exit.signal;
  outcome.exit_code = exit.exit_code;
  return outcome;
}

AttemptOutcome OutcomeOfError(const v1::WorkerFinished& finished) {
  const google::rpc::Status& error = finished.error();
  // OK and codes that do not exist are not errors that a worker may report.
  const bool known = error.code() > 0 && error.code() <= 16 &&
                     error.code() != static_cast<int>(absl::StatusCode::kUnknown);
  const auto code =
      known ? static_cast<absl::StatusCode>(error.code()) : absl::StatusCode::kInternal;
  return Failure(
      finished.disk_full() ? v1::ATTEMPT_CAUSE_DISK_FULL : CauseOf(code),
      absl::Status(code, protocol::ValidUtf8(error.message().substr(0, protocol::kMaxErrorBytes))));
}

AttemptOutcome OutcomeOfImport(const absl::Status& error) {
  return Failure(
      artifacts::IsDiskFull(error) ? v1::ATTEMPT_CAUSE_DISK_FULL : v1::ATTEMPT_CAUSE_CRASH, error);
}

AttemptOutcome OutcomeOfStop(StopReason reason, absl::Duration limit) {
  AttemptOutcome outcome;
  switch (reason) {
    case StopReason::kCancel:
      outcome.kind = AttemptOutcome::Kind::kCancelled;
      outcome.cause = v1::ATTEMPT_CAUSE_CANCELLED;
      return outcome;
    case StopReason::kTimeLimit:
      return Failure(v1::ATTEMPT_CAUSE_TIME_LIMIT,
                     absl::DeadlineExceededError(absl::StrCat("ran longer than its limit of ",
                                                              absl::FormatDuration(limit))));
    case StopReason::kSilence:
      return Failure(v1::ATTEMPT_CAUSE_LOST, absl::UnavailableError(absl::StrCat(
                                                 "the worker neither spoke nor computed for ",
                                                 absl::FormatDuration(limit))));
    case StopReason::kDrain:
      return Failure(v1::ATTEMPT_CAUSE_DRAINED,
                     absl::UnavailableError("the node that ran it shut down"));
    case StopReason::kPreempt:
      return Failure(v1::ATTEMPT_CAUSE_PREEMPTED,
                     absl::UnavailableError("it made room for a job of higher priority"));
    case StopReason::kPause:
    case StopReason::kNone:
      break;
  }
  return Failure(v1::ATTEMPT_CAUSE_CRASH,
                 absl::InternalError("the worker stopped without having been told to"));
}

std::string ExitLabel(const AttemptOutcome& outcome) {
  if (outcome.kind == AttemptOutcome::Kind::kCancelled) return "cancelled";
  if (outcome.kind != AttemptOutcome::Kind::kFailed) return "finished";
  switch (outcome.cause) {
    case v1::ATTEMPT_CAUSE_USER_ERROR:
      return "user_error";
    case v1::ATTEMPT_CAUSE_OUT_OF_MEMORY:
      return "out_of_memory";
    case v1::ATTEMPT_CAUSE_TIME_LIMIT:
      return "time_limit";
    case v1::ATTEMPT_CAUSE_DRAINED:
      return "drained";
    case v1::ATTEMPT_CAUSE_PREEMPTED:
      return "preempted";
    case v1::ATTEMPT_CAUSE_DISK_FULL:
      return "disk_full";
    case v1::ATTEMPT_CAUSE_LOST:
      return "lost";
    default:
      return outcome.signal != 0 ? "signal" : "crash";
  }
}

}  // namespace acclimate::node
