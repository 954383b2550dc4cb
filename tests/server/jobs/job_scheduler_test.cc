#include "server/jobs/job_scheduler.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/errors.h"
#include "server/jobs/job_change.h"

namespace acclimate::jobs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

v1::Job JobInQueue(const std::string& name, int64_t cursor = 1) {
  v1::JobSpec spec;
  spec.set_method("shot");
  v1::Job job = NewJob("tenants/a/jobs/" + name, spec, absl::Now()).job;
  job.set_last_cursor(cursor);
  return job;
}

JobSchedulerOptions WithPolicy(const TenantPolicy& policy) {
  JobSchedulerOptions options;
  options.tenants = TenantPolicies(policy);
  options.slots = 4;
  return options;
}

class JobSchedulerTest : public testing::Test {
 protected:
  metrics::ServerMetrics metrics_;
};

TEST_F(JobSchedulerTest, AFullQueueTakesNoMoreAndSaysWhenToComeAgain) {
  TenantPolicy policy;
  policy.max_queued = 2;
  JobScheduler scheduler(WithPolicy(policy), &metrics_);
  scheduler.Enqueue(JobInQueue("one"));
  {
    JobScheduler::Place place, other;
    EXPECT_TRUE(scheduler.TakePlace("a", place).ok());
    const absl::Status refused = scheduler.TakePlace("a", other);
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ReasonOf(refused), "JOB_QUOTA_EXCEEDED");
    EXPECT_THAT(std::string(refused.message()),
                AllOf(HasSubstr("tenants/a has 2 queued jobs"), HasSubstr("at most 2")));
    EXPECT_THAT(ToRpcStatus(refused).DebugString(), HasSubstr("RetryInfo"));
    JobScheduler::Place of_b;
    EXPECT_TRUE(scheduler.TakePlace("b", of_b).ok());
  }
  JobScheduler::Place place;
  EXPECT_TRUE(scheduler.TakePlace("a", place).ok()) << "a place that was not used is free again";
  EXPECT_THAT(scheduler.Next(), Optional(std::string("tenants/a/jobs/one")));
  JobScheduler::Place more;
  EXPECT_TRUE(scheduler.TakePlace("a", more).ok()) << "what runs is not queued";
}

// Changes of one job are told in any order; the later one counts.
TEST_F(JobSchedulerTest, AnOldWordTakesNoJobOutOfTheQueue) {
  JobScheduler scheduler(WithPolicy({}), &metrics_);
  scheduler.Enqueue(JobInQueue("job", 3));
  scheduler.Dequeue(JobInQueue("job", 2));
  EXPECT_THAT(scheduler.Next(), Optional(std::string("tenants/a/jobs/job")));
  scheduler.PutBack("tenants/a/jobs/job");
  scheduler.Dequeue(JobInQueue("job", 4));
  EXPECT_EQ(scheduler.Next(), std::nullopt);
}

TEST_F(JobSchedulerTest, AJobThatCannotBeLeasedIsForgotten) {
  JobScheduler scheduler(WithPolicy({}), &metrics_);
  scheduler.Enqueue(JobInQueue("job"));
  ASSERT_THAT(scheduler.Next(), Optional(std::string("tenants/a/jobs/job")));
  scheduler.Drop("tenants/a/jobs/job");
  EXPECT_EQ(scheduler.Next(), std::nullopt);
}

// A client may resume a job before its node has said that the slot is free.
TEST_F(JobSchedulerTest, AJobThatIsQueuedAgainWhileItRunsIsNotLost) {
  JobScheduler scheduler(WithPolicy({}), &metrics_);
  const std::string name = "tenants/a/jobs/job";
  scheduler.Enqueue(JobInQueue("job", 1));
  ASSERT_THAT(scheduler.Next(), Optional(name));
  scheduler.Enqueue(JobInQueue("job", 5));
  EXPECT_EQ(scheduler.Next(), std::nullopt) << "it runs";
  scheduler.Release(name);
  ASSERT_THAT(scheduler.Next(), Optional(name));
  scheduler.Enqueue(JobInQueue("job", 7));
  scheduler.Drop(name);
  ASSERT_THAT(scheduler.Next(), Optional(name));
  scheduler.Enqueue(JobInQueue("job", 9));
  scheduler.Dequeue(JobInQueue("job", 10));
  scheduler.Release(name);
  EXPECT_EQ(scheduler.Next(), std::nullopt);
}

TEST_F(JobSchedulerTest, ReservesAShareThenWhatWasLearnedAndAQuarter) {
  JobSchedulerOptions options = WithPolicy({});
  options.memory_bytes = 1000;
  JobScheduler scheduler(options, &metrics_);
  const std::string kind = MemoryKind(JobInQueue("x").spec(), 1);
  const auto reserved_by_next = [&] {
    const int64_t before = scheduler.reserved_bytes();
    EXPECT_TRUE(scheduler.Next().has_value());
    return scheduler.reserved_bytes() - before;
  };
  for (const char* name : {"a", "b", "c", "d"}) scheduler.Enqueue(JobInQueue(name));
  EXPECT_EQ(reserved_by_next(), 250) << "a fourth of it, for one of four slots";
  scheduler.Learn({kind, 400});
  EXPECT_EQ(reserved_by_next(), 500);
  EXPECT_EQ(scheduler.Next(), std::nullopt);
  EXPECT_THAT(scheduler.QueueReason(JobInQueue("c")),
              AllOf(HasSubstr("waits for 500 bytes of memory"), HasSubstr("750 of 1000")));
  scheduler.Release("tenants/a/jobs/b");
  scheduler.Release("tenants/a/jobs/a");
  scheduler.Learn({kind, 900});
  EXPECT_EQ(reserved_by_next(), 1000) << "no more than there is";
}

TEST_F(JobSchedulerTest, AJobReservesNoMoreThanItsOwnLimit) {
  JobSchedulerOptions options = WithPolicy({});
  options.memory_bytes = 1000;
  JobScheduler scheduler(options, &metrics_);
  v1::Job job = JobInQueue("job");
  job.mutable_spec()->mutable_limits()->set_memory_bytes(100);
  scheduler.Enqueue(job);
  ASSERT_TRUE(scheduler.Next().has_value());
  EXPECT_EQ(scheduler.reserved_bytes(), 100);
}

TEST_F(JobSchedulerTest, AJobReservesNoMoreThanAWorkerMayUse) {
  JobSchedulerOptions options = WithPolicy({});
  options.memory_bytes = 1000;
  options.job_memory_limit_bytes = 150;
  JobScheduler scheduler(options, &metrics_);
  v1::Job job = JobInQueue("job");
  job.mutable_spec()->mutable_limits()->set_memory_bytes(200);
  scheduler.Enqueue(job);
  ASSERT_TRUE(scheduler.Next().has_value());
  EXPECT_EQ(scheduler.reserved_bytes(), 150);
}

TEST_F(JobSchedulerTest, AJobThatCanNeverFitIsLeasedToBeEnded) {
  JobSchedulerOptions options = WithPolicy({});
  options.memory_bytes = 1000;
  JobScheduler scheduler(options, &metrics_);
  const v1::Job large = JobInQueue("large");
  EXPECT_TRUE(scheduler.CheckFits(large).ok());
  scheduler.Enqueue(JobInQueue("small"));
  ASSERT_TRUE(scheduler.Next().has_value());
  scheduler.Learn({MemoryKind(large.spec(), 1), 1001});
  const absl::Status refused = scheduler.CheckFits(large);
  EXPECT_EQ(ReasonOf(refused), "JOB_TOO_LARGE");
  EXPECT_THAT(std::string(refused.message()), AllOf(HasSubstr("1001"), HasSubstr("1000")));
  scheduler.Enqueue(large);
  EXPECT_THAT(scheduler.Next(), Optional(large.name())) << "although others run";
  v1::Job limited = large;
  limited.mutable_spec()->mutable_limits()->set_memory_bytes(500);
  EXPECT_TRUE(scheduler.CheckFits(limited).ok());
}

TEST_F(JobSchedulerTest, SaysThatATenantRunsAsManyAsItMay) {
  TenantPolicy policy;
  policy.max_running = 1;
  JobScheduler scheduler(WithPolicy(policy), &metrics_);
  scheduler.Enqueue(JobInQueue("one"));
  EXPECT_THAT(scheduler.QueueReason(JobInQueue("one")), IsEmpty());
  scheduler.Enqueue(JobInQueue("two"));
  ASSERT_TRUE(scheduler.Next().has_value());
  EXPECT_EQ(scheduler.QueueReason(JobInQueue("two")),
            "tenants/a runs 1 jobs, which is the most that it may (max-running)");
}

TEST_F(JobSchedulerTest, PreemptsOnlyWhereTheOperatorSaysSo) {
  for (const bool preempt : {false, true}) {
    JobSchedulerOptions options = WithPolicy({});
    options.slots = 1;
    options.preempt = preempt;
    JobScheduler scheduler(options, &metrics_);
    scheduler.Enqueue(JobInQueue("low"));
    ASSERT_TRUE(scheduler.Next().has_value());
    v1::Job high = JobInQueue("high");
    high.mutable_spec()->set_priority(1);
    scheduler.Enqueue(high);
    EXPECT_EQ(scheduler.ChooseVictim().has_value(), preempt);
    EXPECT_EQ(scheduler.ChooseVictim(), std::nullopt) << "once";
  }
}

TEST_F(JobSchedulerTest, APreemptedJobIsLeftInPeace) {
  JobSchedulerOptions options = WithPolicy({});
  options.slots = 1;
  options.preempt = true;
  JobScheduler scheduler(options, &metrics_);
  v1::Job low = JobInQueue("low");
  v1::Attempt& attempt = *low.add_attempts();
  attempt.set_cause(v1::ATTEMPT_CAUSE_PREEMPTED);
  attempt.mutable_end_time()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  scheduler.Enqueue(low);
  ASSERT_TRUE(scheduler.Next().has_value());
  v1::Job high = JobInQueue("high");
  high.mutable_spec()->set_priority(100);
  scheduler.Enqueue(high);
  EXPECT_EQ(scheduler.ChooseVictim(), std::nullopt);
}

}  // namespace
}  // namespace acclimate::jobs
