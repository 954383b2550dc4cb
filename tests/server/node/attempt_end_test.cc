#include "server/node/attempt_end.h"

#include <signal.h>

#include <cerrno>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/file_system.h"

namespace acclimate::node {
namespace {

using jobs::AttemptOutcome;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Message(const AttemptOutcome& outcome) { return std::string(outcome.error.message()); }

v1::WorkerFinished Reported(int code, const std::string& message) {
  v1::WorkerFinished finished;
  finished.mutable_error()->set_code(code);
  finished.mutable_error()->set_message(message);
  return finished;
}

TEST(AttemptEndTest, ASignalIsACrashThatIsNamed) {
  const AttemptOutcome outcome = OutcomeOfDeath({.signal = SIGSEGV}, "training");
  EXPECT_EQ(outcome.kind, AttemptOutcome::Kind::kFailed);
  EXPECT_EQ(outcome.cause, v1::ATTEMPT_CAUSE_CRASH);
  EXPECT_EQ(outcome.error.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Message(outcome), AllOf(HasSubstr("SIGSEGV"), HasSubstr("training")));
  EXPECT_EQ(outcome.signal, SIGSEGV);
  EXPECT_EQ(ExitLabel(outcome), "signal");
}

TEST(AttemptEndTest, AnExitWithoutAResultIsACrash) {
  const AttemptOutcome outcome = OutcomeOfDeath({.exit_code = 3}, "");
  EXPECT_EQ(outcome.cause, v1::ATTEMPT_CAUSE_CRASH);
  EXPECT_THAT(Message(outcome), AllOf(HasSubstr("code 3"), HasSubstr("before its first phase")));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(ExitLabel(outcome), "crash");
  // Also one that claims to have gone well.
  EXPECT_EQ(OutcomeOfDeath({.exit_code = 0}, "saving").cause, v1::ATTEMPT_CAUSE_CRASH);
}

TEST(AttemptEndTest, OurOwnKillIsNotToldAsTheWorkersSignal) {
  const AttemptOutcome outcome =
      OutcomeOfDeath({.signal = SIGKILL, .killed_by_node = true}, "training");
  EXPECT_EQ(outcome.cause, v1::ATTEMPT_CAUSE_CRASH);
  EXPECT_THAT(Message(outcome), HasSubstr("closed its channel"));
}

TEST(AttemptEndTest, OutOfMemoryHasItsOwnCause) {
  const AttemptOutcome outcome =
      OutcomeOfDeath({.signal = SIGKILL, .out_of_memory = true}, "training");
  EXPECT_EQ(outcome.cause, v1::ATTEMPT_CAUSE_OUT_OF_MEMORY);
  EXPECT_EQ(outcome.error.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(outcome), HasSubstr("while training"));
  EXPECT_EQ(ExitLabel(outcome), "out_of_memory");
}

TEST(AttemptEndTest, ALimitOfMemoryIsALackOfItAndOtherLimitsAreTheJobsFault) {
  const AttemptOutcome of_memory = OutcomeOfDeath(
      {.signal = SIGKILL, .killed_by_node = true, .out_of_memory = true, .exceeded = "much"},
      "training");
  EXPECT_EQ(of_memory.cause, v1::ATTEMPT_CAUSE_OUT_OF_MEMORY);
  EXPECT_EQ(Message(of_memory), "much while training");
  const AttemptOutcome of_files =
      OutcomeOfDeath({.signal = SIGKILL, .killed_by_node = true, .exceeded = "many"}, "training");
  EXPECT_EQ(of_files.cause, v1::ATTEMPT_CAUSE_USER_ERROR);
}

TEST(AttemptEndTest, ADiskWithoutRoomIsNoLackOfMemory) {
  v1::WorkerFinished finished =
      Reported(static_cast<int>(absl::StatusCode::kResourceExhausted), "cannot write model.pt");
  finished.set_disk_full(true);
  EXPECT_EQ(OutcomeOfError(finished).cause, v1::ATTEMPT_CAUSE_DISK_FULL);
  errno = ENOSPC;
  EXPECT_EQ(OutcomeOfImport(artifacts::FileError("cannot write", "model.pt")).cause,
            v1::ATTEMPT_CAUSE_DISK_FULL);
  EXPECT_EQ(OutcomeOfImport(absl::InternalError("a link")).cause, v1::ATTEMPT_CAUSE_CRASH);
}

TEST(AttemptEndTest, ACodeThatAWorkerMayReportIsKeptAndTellsTheCause) {
  const std::pair<absl::StatusCode, v1::AttemptCause> kCases[] = {
      {absl::StatusCode::kInvalidArgument, v1::ATTEMPT_CAUSE_USER_ERROR},
      {absl::StatusCode::kFailedPrecondition, v1::ATTEMPT_CAUSE_USER_ERROR},
      {absl::StatusCode::kOutOfRange, v1::ATTEMPT_CAUSE_USER_ERROR},
      {absl::StatusCode::kNotFound, v1::ATTEMPT_CAUSE_USER_ERROR},
      {absl::StatusCode::kUnimplemented, v1::ATTEMPT_CAUSE_USER_ERROR},
      {absl::StatusCode::kResourceExhausted, v1::ATTEMPT_CAUSE_OUT_OF_MEMORY},
      {absl::StatusCode::kInternal, v1::ATTEMPT_CAUSE_CRASH},
      {absl::StatusCode::kDataLoss, v1::ATTEMPT_CAUSE_CRASH},
  };
  for (const auto& [code, cause] : kCases) {
    const AttemptOutcome outcome = OutcomeOfError(Reported(static_cast<int>(code), "why"));
    EXPECT_EQ(outcome.kind, AttemptOutcome::Kind::kFailed);
    EXPECT_EQ(outcome.error, absl::Status(code, "why"));
    EXPECT_EQ(outcome.cause, cause) << code;
  }
}

TEST(AttemptEndTest, WhatAWorkerSaysIsNotTakenOnTrust) {
  for (int code : {0, -1, 2, 17, 1000000}) {  // OK, none, UNKNOWN, none
    EXPECT_EQ(OutcomeOfError(Reported(code, "")).error.code(), absl::StatusCode::kInternal) << code;
  }
  EXPECT_LE(OutcomeOfError(Reported(3, std::string(1 << 20, 'x'))).error.message().size(), 4096u);
  // Cut within a letter: still text that protobuf takes.
  const std::string letters = std::string(4095, 'x') + "\xc3\xa4";
  EXPECT_EQ(OutcomeOfError(Reported(3, letters)).error.message().back(), '?');
}

TEST(AttemptEndTest, AStopIsToldByItsReason) {
  const absl::Duration limit = absl::Minutes(5);
  const AttemptOutcome cancelled = OutcomeOfStop(StopReason::kCancel, limit);
  EXPECT_EQ(cancelled.kind, AttemptOutcome::Kind::kCancelled);
  EXPECT_EQ(cancelled.cause, v1::ATTEMPT_CAUSE_CANCELLED);
  EXPECT_EQ(ExitLabel(cancelled), "cancelled");

  const AttemptOutcome late = OutcomeOfStop(StopReason::kTimeLimit, limit);
  EXPECT_EQ(late.cause, v1::ATTEMPT_CAUSE_TIME_LIMIT);
  EXPECT_EQ(late.error.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(late), HasSubstr("5m"));
  EXPECT_EQ(ExitLabel(late), "time_limit");

  const AttemptOutcome silent = OutcomeOfStop(StopReason::kSilence, limit);
  EXPECT_EQ(silent.cause, v1::ATTEMPT_CAUSE_LOST);
  EXPECT_THAT(Message(silent), HasSubstr("neither spoke nor computed"));
  const AttemptOutcome drained = OutcomeOfStop(StopReason::kDrain, limit);
  EXPECT_EQ(drained.cause, v1::ATTEMPT_CAUSE_DRAINED);
  EXPECT_EQ(ExitLabel(drained), "drained");

  EXPECT_EQ(OutcomeOfStop(StopReason::kNone, limit).cause, v1::ATTEMPT_CAUSE_CRASH);
}

TEST(AttemptEndTest, SuccessIsFinished) {
  AttemptOutcome outcome;
  outcome.kind = AttemptOutcome::Kind::kSucceeded;
  EXPECT_EQ(ExitLabel(outcome), "finished");
  EXPECT_EQ(ExitLabel(OutcomeOfError(Reported(3, "bad file"))), "user_error");
}

TEST(AttemptEndTest, OneThatMadeRoomIsPreempted) {
  const AttemptOutcome outcome = OutcomeOfStop(StopReason::kPreempt, absl::ZeroDuration());
  EXPECT_EQ(outcome.cause, v1::ATTEMPT_CAUSE_PREEMPTED);
  EXPECT_THAT(Message(outcome), HasSubstr("higher priority"));
  EXPECT_EQ(ExitLabel(outcome), "preempted");
}

}  // namespace
}  // namespace acclimate::node
