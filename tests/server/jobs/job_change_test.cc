#include "server/jobs/job_change.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/proto_time.h"

namespace acclimate::jobs {
namespace {

using ::testing::HasSubstr;

const RetryPolicy kPolicy;
const absl::Time kNow = absl::FromUnixSeconds(1700000000);

AttemptOutcome Failed(v1::AttemptCause cause, const absl::Status& error) {
  AttemptOutcome outcome;
  outcome.cause = cause;
  outcome.error = error;
  return outcome;
}

const AttemptOutcome kLost = Failed(v1::ATTEMPT_CAUSE_LOST, absl::UnavailableError("gone"));

// A job whose attempt is in this state.
JobChange Leased(v1::JobState state) {
  JobChange change = NewJob("tenants/default/jobs/a", {}, kNow);
  EXPECT_TRUE(BeginAttempt(change, "node", kNow).ok());
  change.job.set_state(state);
  change.events.clear();
  return change;
}

v1::AttemptId CurrentId(const v1::Job& job) {
  v1::AttemptId id;
  id.set_job(job.name());
  id.set_attempt(job.attempts().rbegin()->number());
  id.set_epoch(job.attempts().rbegin()->epoch());
  return id;
}

TEST(JobChangeTest, ANewJobIsQueuedAndItsFirstEventSaysSo) {
  const JobChange change = NewJob("tenants/default/jobs/a", {}, kNow);
  EXPECT_EQ(change.job.state(), v1::JOB_STATE_QUEUED);
  ASSERT_EQ(change.events.size(), 1u);
  EXPECT_EQ(change.events[0].state().from(), v1::JOB_STATE_UNSPECIFIED);
  EXPECT_EQ(change.events[0].state().to(), v1::JOB_STATE_QUEUED);
}

TEST(JobChangeTest, AForbiddenChangeLeavesTheJobAndItsHistory) {
  JobChange change = NewJob("tenants/default/jobs/a", {}, kNow);
  const JobChange before = change;
  EXPECT_TRUE(
      absl::IsFailedPrecondition(ChangeState(change, v1::JOB_STATE_SUCCEEDED, "why not", kNow)));
  EXPECT_EQ(change.job.SerializeAsString(), before.job.SerializeAsString());
  EXPECT_EQ(change.events.size(), before.events.size());
}

TEST(JobChangeTest, EveryAttemptHasALargerEpoch) {
  JobChange change = Leased(v1::JOB_STATE_RUNNING);
  const v1::AttemptId first = CurrentId(change.job);
  ASSERT_TRUE(EndAttempt(change, kLost, kPolicy, /*jitter=*/0.5, kNow).ok());
  ASSERT_TRUE(BeginAttempt(change, "node", kNow).ok());
  const v1::AttemptId second = CurrentId(change.job);
  EXPECT_GT(second.epoch(), first.epoch());
  EXPECT_EQ(second.attempt(), 2);

  EXPECT_TRUE(CheckLease(change.job, second).ok());
  EXPECT_TRUE(absl::IsAborted(CheckLease(change.job, first)));
  v1::AttemptId mixed = second;
  mixed.set_attempt(first.attempt());
  EXPECT_TRUE(absl::IsAborted(CheckLease(change.job, mixed)));
}

TEST(JobChangeTest, NoLeaseHoldsOnAJobThatIsQueuedOrHasEnded) {
  for (v1::JobState state : {v1::JOB_STATE_QUEUED, v1::JOB_STATE_PAUSED, v1::JOB_STATE_SUCCEEDED,
                             v1::JOB_STATE_FAILED, v1::JOB_STATE_CANCELLED}) {
    const JobChange change = Leased(state);
    EXPECT_TRUE(absl::IsAborted(CheckLease(change.job, CurrentId(change.job)))) << state;
  }
}

TEST(JobChangeTest, TheResultComesBeforeTheEnd) {
  JobChange change = Leased(v1::JOB_STATE_RUNNING);
  AttemptOutcome outcome;
  outcome.kind = AttemptOutcome::Kind::kSucceeded;
  (*outcome.result.mutable_metrics())["accuracy"] = 0.5;
  ASSERT_TRUE(EndAttempt(change, outcome, kPolicy, /*jitter=*/0.5, kNow).ok());
  EXPECT_EQ(change.job.result().metrics().at("accuracy"), 0.5);
  EXPECT_TRUE(change.job.has_end_time());
  ASSERT_EQ(change.events.size(), 2u);
  EXPECT_TRUE(change.events[0].has_result());
  EXPECT_EQ(change.events[1].state().to(), v1::JOB_STATE_SUCCEEDED);
}

TEST(JobChangeTest, AnErrorEndsTheJobAndIsToldInFull) {
  JobChange change = Leased(v1::JOB_STATE_RUNNING);
  AttemptOutcome outcome =
      Failed(v1::ATTEMPT_CAUSE_USER_ERROR, absl::InvalidArgumentError("a NaN in row 3"));
  outcome.exit_code = 3;
  outcome.last_phase = "training";
  outcome.stderr_tail = "last words";
  ASSERT_TRUE(EndAttempt(change, outcome, kPolicy, /*jitter=*/0.5, kNow).ok());
  EXPECT_EQ(change.job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(change.job.error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  const v1::Attempt& attempt = change.job.attempts(0);
  EXPECT_EQ(attempt.cause(), v1::ATTEMPT_CAUSE_USER_ERROR);
  EXPECT_EQ(attempt.exit_code(), 3);
  EXPECT_EQ(attempt.last_phase(), "training");
  EXPECT_EQ(attempt.stderr_tail(), "last words");
  EXPECT_EQ(attempt.message(), "a NaN in row 3");
}

TEST(JobChangeTest, AnInterruptedAttemptLeadsWhereTheClientWanted) {
  const std::pair<v1::JobState, v1::JobState> kCases[] = {
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_PAUSING, v1::JOB_STATE_PAUSED},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED},
  };
  for (v1::AttemptCause cause :
       {v1::ATTEMPT_CAUSE_LOST, v1::ATTEMPT_CAUSE_CRASH, v1::ATTEMPT_CAUSE_DISK_FULL,
        v1::ATTEMPT_CAUSE_OUT_OF_MEMORY, v1::ATTEMPT_CAUSE_PREEMPTED, v1::ATTEMPT_CAUSE_DRAINED}) {
    for (const auto& [from, to] : kCases) {
      JobChange change = Leased(from);
      change.job.mutable_progress()->set_step(7);
      ASSERT_TRUE(EndAttempt(change, Failed(cause, absl::UnavailableError("")), kPolicy,
                             /*jitter=*/0.5, kNow)
                      .ok());
      EXPECT_EQ(change.job.state(), to) << from;
      EXPECT_FALSE(change.job.has_error());
      if (to == v1::JOB_STATE_QUEUED) {
        EXPECT_EQ(change.job.progress().step(), 0);
      }
    }
  }
}

TEST(JobChangeTest, AFailedAttemptWaitsInTheQueueAndAnInterruptedOneDoesNot) {
  JobChange change = Leased(v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(EndAttempt(change, kLost, kPolicy, /*jitter=*/0.5, kNow).ok());
  EXPECT_EQ(FromProtoTimestamp(change.job.next_attempt_time()), kNow + 0.5 * kPolicy.first_delay);
  ASSERT_TRUE(BeginAttempt(change, "node", kNow).ok());
  EXPECT_FALSE(change.job.has_next_attempt_time());
  const AttemptOutcome drained =
      Failed(v1::ATTEMPT_CAUSE_DRAINED, absl::UnavailableError("stopped"));
  ASSERT_TRUE(EndAttempt(change, drained, kPolicy, /*jitter=*/0.5, kNow).ok());
  EXPECT_EQ(change.job.state(), v1::JOB_STATE_QUEUED);
  EXPECT_FALSE(change.job.has_next_attempt_time());
}

TEST(JobChangeTest, AResultWhoseStartWasNotWrittenIsKept) {
  JobChange change = Leased(v1::JOB_STATE_STARTING);
  AttemptOutcome outcome;
  outcome.kind = AttemptOutcome::Kind::kSucceeded;
  ASSERT_TRUE(EndAttempt(change, outcome, kPolicy, /*jitter=*/0.5, kNow).ok());
  EXPECT_EQ(change.job.state(), v1::JOB_STATE_SUCCEEDED);
  ASSERT_EQ(change.events.size(), 3u);
  EXPECT_EQ(change.events[0].state().to(), v1::JOB_STATE_RUNNING);
}

TEST(JobChangeTest, TheErrorOfTheLastAttemptSaysHowOftenItWasTried) {
  JobChange change = NewJob("tenants/default/jobs/a", {}, kNow);
  for (int failure = 0; failure <= kPolicy.max_retries; ++failure) {
    ASSERT_EQ(change.job.state(), v1::JOB_STATE_QUEUED);
    ASSERT_TRUE(BeginAttempt(change, "node", kNow).ok());
    ASSERT_TRUE(EndAttempt(change, kLost, kPolicy, /*jitter=*/0, kNow).ok());
  }
  EXPECT_EQ(change.job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(change.job.error().code(), static_cast<int>(absl::StatusCode::kAborted));
  EXPECT_THAT(change.job.error().message(), HasSubstr("gone; failed 6 times"));
}

TEST(JobChangeTest, WithLessMemoryTheNextAttemptTakesHalfTheBatchWhereTheJobAllowsIt) {
  const AttemptOutcome no_memory =
      Failed(v1::ATTEMPT_CAUSE_OUT_OF_MEMORY, absl::ResourceExhaustedError("no memory"));
  for (const bool allowed : {false, true}) {
    JobChange change = NewJob("tenants/default/jobs/a", {}, kNow);
    change.job.mutable_spec()->set_smaller_batch(allowed);
    ASSERT_TRUE(BeginAttempt(change, "node", kNow).ok());
    EXPECT_EQ(change.job.attempts(0).batch_divisor(), 0);
    ASSERT_TRUE(EndAttempt(change, no_memory, kPolicy, /*jitter=*/0, kNow).ok());
    ASSERT_TRUE(BeginAttempt(change, "node", kNow).ok());
    EXPECT_EQ(change.job.attempts(1).batch_divisor(), allowed ? 2 : 0);
    ASSERT_TRUE(EndAttempt(change, no_memory, kPolicy, /*jitter=*/0, kNow).ok());
    EXPECT_EQ(change.job.state(), v1::JOB_STATE_FAILED);
  }
}

}  // namespace
}  // namespace acclimate::jobs
