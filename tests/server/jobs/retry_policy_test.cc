#include "server/jobs/retry_policy.h"

#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::jobs {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Attempt Ended(v1::AttemptCause cause, int signal = 0, const std::string& phase = "training") {
  v1::Attempt attempt;
  attempt.set_cause(cause);
  attempt.set_signal(signal);
  attempt.set_last_phase(phase);
  attempt.set_message("how it ended");
  return attempt;
}

v1::Job JobOf(const std::vector<v1::Attempt>& attempts) {
  v1::Job job;
  for (const v1::Attempt& attempt : attempts) *job.add_attempts() = attempt;
  return job;
}

TEST(RetryPolicyTest, WhatTheUserMustMendIsNotTriedAgain) {
  for (const v1::AttemptCause cause :
       {v1::ATTEMPT_CAUSE_USER_ERROR, v1::ATTEMPT_CAUSE_TIME_LIMIT}) {
    const RetryDecision decision = DecideRetry(JobOf({Ended(cause)}), {});
    EXPECT_FALSE(decision.retry) << cause;
    EXPECT_THAT(decision.reason, IsEmpty());
  }
}

TEST(RetryPolicyTest, WaitsDoubleUpToTheLongest) {
  const RetryPolicy policy{/*max_retries=*/8, absl::Seconds(1), absl::Seconds(5)};
  std::vector<v1::Attempt> attempts;
  for (const int seconds : {1, 2, 4, 5, 5}) {
    attempts.push_back(Ended(v1::ATTEMPT_CAUSE_LOST));
    attempts.push_back(Ended(v1::ATTEMPT_CAUSE_DRAINED));  // does not count
    std::swap(attempts[attempts.size() - 2], attempts.back());
    const RetryDecision decision = DecideRetry(JobOf(attempts), policy);
    EXPECT_TRUE(decision.retry);
    EXPECT_EQ(decision.longest_wait, absl::Seconds(seconds));
  }
}

TEST(RetryPolicyTest, OnlySoManyFailuresOfWhateverKind) {
  const RetryPolicy policy{/*max_retries=*/2, absl::Seconds(1), absl::Seconds(5)};
  std::vector<v1::Attempt> attempts = {Ended(v1::ATTEMPT_CAUSE_LOST),
                                       Ended(v1::ATTEMPT_CAUSE_DISK_FULL)};
  EXPECT_TRUE(DecideRetry(JobOf(attempts), policy).retry);
  attempts.push_back(Ended(v1::ATTEMPT_CAUSE_CRASH, SIGSEGV));
  const RetryDecision decision = DecideRetry(JobOf(attempts), policy);
  EXPECT_FALSE(decision.retry);
  EXPECT_THAT(decision.reason, HasSubstr("3 times"));
}

TEST(RetryPolicyTest, ASecondCrashAtTheSamePlaceQuarantinesTheJob) {
  const v1::Attempt crash = Ended(v1::ATTEMPT_CAUSE_CRASH, SIGSEGV);
  EXPECT_TRUE(DecideRetry(JobOf({crash}), {}).retry);
  const v1::Attempt lost = Ended(v1::ATTEMPT_CAUSE_LOST);
  const RetryDecision decision = DecideRetry(JobOf({crash, lost, crash}), {});
  EXPECT_FALSE(decision.retry);
  EXPECT_THAT(decision.reason, HasSubstr("same place"));
  EXPECT_TRUE(DecideRetry(JobOf({crash, Ended(v1::ATTEMPT_CAUSE_CRASH, SIGABRT)}), {}).retry);
  EXPECT_TRUE(
      DecideRetry(JobOf({crash, Ended(v1::ATTEMPT_CAUSE_CRASH, SIGSEGV, "saving")}), {}).retry);
}

TEST(RetryPolicyTest, SigkillComesFromOutsideAndSaysNothingOfThePlace) {
  const v1::Attempt killed = Ended(v1::ATTEMPT_CAUSE_CRASH, SIGKILL);
  EXPECT_TRUE(DecideRetry(JobOf({killed, killed, killed}), {}).retry);
}

TEST(RetryPolicyTest, MemoryThatRanOutTwiceIsNotThere) {
  const v1::Attempt no_memory = Ended(v1::ATTEMPT_CAUSE_OUT_OF_MEMORY);
  EXPECT_TRUE(DecideRetry(JobOf({no_memory}), {}).retry);
  EXPECT_FALSE(DecideRetry(JobOf({no_memory, no_memory}), {}).retry);
}

}  // namespace
}  // namespace acclimate::jobs
