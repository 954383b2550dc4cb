#include "server/jobs/fair_scheduler.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

class FairSchedulerTest : public testing::Test {
 protected:
  // To be set before the first job comes.
  std::map<std::string, TenantPolicy> policies_;
  std::map<std::string, int64_t> memory_;  // by job
  FairSchedulerOptions options_ = {[this](const std::string& tenant) { return policies_[tenant]; },
                                   [this](const QueuedJob& job) { return memory_[job.name]; },
                                   /*slots=*/1};
  std::unique_ptr<FairScheduler> scheduler_;
  absl::Duration now_;

  FairScheduler& scheduler() {
    if (scheduler_ == nullptr) scheduler_ = std::make_unique<FairScheduler>(options_);
    return *scheduler_;
  }
  void Add(const std::string& name, const std::string& tenant = "a", int priority = 0) {
    QueuedJob job;
    job.name = name;
    job.tenant = tenant;
    job.priority = priority;
    job.created = absl::UnixEpoch() + now_;
    scheduler().Add(job);
  }
  std::string Lease() {
    const std::optional<QueuedJob> job = scheduler().Lease(now_);
    return job.has_value() ? job->name : "none";
  }
  // Leases a job and runs it to its end.
  std::string RunNext(absl::Duration run = absl::Seconds(60)) {
    const std::string job = Lease();
    now_ += run;
    scheduler().Release(job, now_);
    return job;
  }
};

TEST_F(FairSchedulerTest, PrioritiesRiseWithWaiting) {
  Add("first");
  Add("second");
  now_ += absl::Minutes(35);
  Add("three", "a", 3);  // as much as 30 minutes of waiting
  Add("four", "a", 4);
  for (const char* expected : {"four", "first", "second", "three", "none"}) {
    EXPECT_EQ(Lease(), expected);
  }
}

TEST_F(FairSchedulerTest, AJobThatReturnsKeepsItsPlace) {
  Add("old");
  now_ += absl::Seconds(1);
  Add("new");
  EXPECT_EQ(Lease(), "old");
  scheduler().PutBack("old");
  EXPECT_EQ(scheduler().RunningOf("a"), 0);
  EXPECT_EQ(Lease(), "old");
}

TEST_F(FairSchedulerTest, TenantsTakeTurnsHoweverManyJobsOneHas) {
  for (int i = 0; i < 100; ++i) Add(absl::StrCat("flood", i), "a");
  now_ += absl::Seconds(1);
  Add("small", "b");
  EXPECT_EQ(RunNext(), "flood0");
  EXPECT_EQ(RunNext(), "small");
}

TEST_F(FairSchedulerTest, AWeightIsAShareOfTheSlots) {
  policies_["b"].weight = 3;
  for (int i = 0; i < 40; ++i) {
    Add(absl::StrCat("a", i), "a");
    Add(absl::StrCat("b", i), "b");
  }
  int of_b = 0;
  for (int i = 0; i < 40; ++i) of_b += RunNext()[0] == 'b';
  EXPECT_NEAR(of_b, 30, 1);
}

TEST_F(FairSchedulerTest, LongJobsCountAsWhatTheyTake) {
  for (int i = 0; i < 100; ++i) {
    Add(absl::StrCat("a", i), "a");
    Add(absl::StrCat("b", i), "b");
  }
  std::map<char, absl::Duration> had;
  for (int i = 0; i < 60; ++i) {
    const std::string job = Lease();
    const absl::Duration run = absl::Seconds(job[0] == 'a' ? 100 : 10);
    now_ += run;
    had[job[0]] += run;
    scheduler().Release(job, now_);
  }
  EXPECT_LE(had['a'] - had['b'], absl::Seconds(100));
  EXPECT_LE(had['b'] - had['a'], absl::Seconds(100));
}

TEST_F(FairSchedulerTest, IdlenessSavesNoCredit) {
  for (int i = 0; i < 100; ++i) Add(absl::StrCat("a", i), "a");
  for (int i = 0; i < 50; ++i) RunNext();
  for (int i = 0; i < 20; ++i) Add(absl::StrCat("b", i), "b");
  int of_b = 0;
  for (int i = 0; i < 10; ++i) of_b += RunNext()[0] == 'b';
  EXPECT_NEAR(of_b, 5, 1);
}

TEST_F(FairSchedulerTest, ATenantRunsNoMoreThanItMay) {
  options_.slots = 3;
  policies_["a"].max_running = 1;
  Add("first", "a");
  Add("second", "a");
  EXPECT_EQ(Lease(), "first");
  EXPECT_EQ(Lease(), "none");
  EXPECT_THAT(scheduler().WaitOf("second"), Optional(FairScheduler::Wait::kTenantLimit));
  scheduler().Release("first", now_);
  EXPECT_EQ(Lease(), "second");
}

TEST_F(FairSchedulerTest, WhatATenantMayNotRunIsNotOwedToIt) {
  options_.slots = 2;
  policies_["a"].weight = 10;
  policies_["a"].max_running = 1;
  const auto run_two = [this] {
    const std::string one = Lease(), other = Lease();
    now_ += absl::Seconds(60);
    scheduler().Release(one, now_);
    scheduler().Release(other, now_);
    return (one[0] == 'a') + (other[0] == 'a');
  };
  for (int i = 0; i < 100; ++i) {
    Add(absl::StrCat("a", i), "a");
    Add(absl::StrCat("b", i), "b");
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(run_two(), 1) << "its share would be more than one";
  for (const char* tenant : {"c", "d", "e", "f", "g"}) {
    policies_[tenant].weight = 10;
    for (int i = 0; i < 40; ++i) Add(absl::StrCat(tenant, i), tenant);
  }
  int of_a = 0;
  for (int i = 0; i < 18; ++i) of_a += run_two();
  EXPECT_NEAR(of_a, 6, 1) << "a sixth of the slots";
}

TEST_F(FairSchedulerTest, ReservationsFitTheMemory) {
  options_.slots = 3;
  options_.memory_bytes = 100;
  memory_ = {{"large", 70}, {"larger", 80}, {"small", 30}};
  Add("large");
  Add("larger");
  Add("small");
  EXPECT_EQ(Lease(), "large");
  EXPECT_EQ(Lease(), "small") << "what fits passes what does not";
  EXPECT_EQ(Lease(), "none");
  EXPECT_THAT(scheduler().WaitOf("larger"), Optional(FairScheduler::Wait::kMemory));
  EXPECT_EQ(scheduler().reserved_bytes(), 100);
  scheduler().Release("large", now_);
  EXPECT_EQ(Lease(), "none");
  scheduler().Release("small", now_);
  EXPECT_EQ(Lease(), "larger");
}

TEST_F(FairSchedulerTest, ALargeJobIsNotPassedForEver) {
  options_.slots = 3;
  options_.memory_bytes = 100;
  memory_ = {{"large", 100}};
  for (int i = 0; i < 10; ++i) memory_[absl::StrCat(i)] = 40;
  Add("0");
  Add("large");
  for (int i = 1; i < 10; ++i) Add(absl::StrCat(i));
  EXPECT_EQ(Lease(), "0");
  EXPECT_EQ(Lease(), "1");
  now_ += options_.memory_patience;
  scheduler().Release("0", now_);
  EXPECT_EQ(Lease(), "none") << "memory is kept for the large one";
  scheduler().Release("1", now_);
  EXPECT_EQ(Lease(), "large");
}

TEST_F(FairSchedulerTest, AJobLargerThanTheMemoryRunsAlone) {
  options_.slots = 2;
  options_.memory_bytes = 100;
  memory_ = {{"huge", 200}, {"small", 1}};
  Add("huge");
  Add("small");
  EXPECT_EQ(Lease(), "huge");
  EXPECT_EQ(Lease(), "none");
}

TEST_F(FairSchedulerTest, TheVictimIsOfLowerPriorityAndLosesLeast) {
  options_.slots = 3;
  for (const char* job : {"one", "two", "three"}) Add(job);
  for (int i = 0; i < 3; ++i) Lease();
  now_ += absl::Seconds(100);
  scheduler().NoteSaved("two", now_);
  now_ += absl::Seconds(1);
  EXPECT_EQ(scheduler().Victim(now_), std::nullopt) << "nobody waits";
  Add("equal");
  EXPECT_EQ(scheduler().Victim(now_), std::nullopt);
  Add("urgent", "a", 1);
  EXPECT_THAT(scheduler().Victim(now_), Optional(std::string("two")));
  scheduler().SetLeaving("two", true);
  EXPECT_EQ(scheduler().Victim(now_), std::nullopt) << "a slot is about to be free";
  scheduler().Release("two", now_);
  EXPECT_EQ(scheduler().Victim(now_), std::nullopt) << "a slot is free";
}

TEST_F(FairSchedulerTest, NobodyMakesRoomForAJobThatWouldStandBehindIt) {
  Add("old");
  Lease();
  now_ += absl::Minutes(25);
  Add("two", "a", 2);
  EXPECT_EQ(scheduler().Victim(now_), std::nullopt) << "the other has waited longer than that";
  Add("three", "a", 3);
  EXPECT_THAT(scheduler().Victim(now_), Optional(std::string("old")));
}

TEST_F(FairSchedulerTest, AmongTenantsTheOneThatHadLessIsServed) {
  for (int i = 0; i < 3; ++i) Add(absl::StrCat("a", i), "a");
  Lease();
  now_ += absl::Minutes(30);
  Add("urgent", "b", 50);
  EXPECT_THAT(scheduler().Victim(now_), Optional(std::string("a0")));
  scheduler().Release("a0", now_);
  EXPECT_EQ(Lease(), "urgent");
  now_ += absl::Minutes(100);
  Add("late", "a", 60);
  EXPECT_THAT(scheduler().Victim(now_), Optional(std::string("urgent")));
}

TEST_F(FairSchedulerTest, AJobIsLeftInPeaceAfterItHasMadeRoom) {
  QueuedJob job;
  job.name = "rests";
  job.tenant = "a";
  job.created = absl::UnixEpoch();
  job.preemptible_from = absl::Minutes(10);
  scheduler().Add(job);
  EXPECT_EQ(Lease(), "rests");
  Add("urgent", "a", 9);
  EXPECT_EQ(scheduler().Victim(now_ + absl::Minutes(9)), std::nullopt);
  EXPECT_THAT(scheduler().Victim(now_ + absl::Minutes(10)), Optional(std::string("rests")));
}

}  // namespace
}  // namespace acclimate::jobs
