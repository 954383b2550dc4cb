#include "server/jobs/job_queue.h"

#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/resource_names.h"
#include "server/jobs/job_change.h"
#include "server/jobs/sqlite_job_store.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Progress Point(const std::string& phase, int64_t step) {
  v1::Progress progress;
  progress.set_phase(phase);
  progress.set_step(step);
  return progress;
}

v1::JobSpec Priority(int priority) {
  v1::JobSpec spec;
  spec.set_method("shot");
  spec.set_priority(priority);
  return spec;
}

AttemptOutcome Succeeded() {
  AttemptOutcome outcome;
  outcome.kind = AttemptOutcome::Kind::kSucceeded;
  return outcome;
}

AttemptOutcome Failed(v1::AttemptCause cause) {
  AttemptOutcome outcome;
  outcome.cause = cause;
  outcome.error = absl::UnavailableError("the reason");
  return outcome;
}

class JobQueueTest : public testing::Test {
 protected:
  JobQueueTest() { Restart(); }

  // As a new process over the same files. Whoever held a lease has lost it.
  void Restart() {
    queue_ = nullptr;
    store_ = nullptr;
    auto store = SqliteJobStore::Open(folder_.File("jobs.sqlite"), &metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    NewQueue({});
    ASSERT_TRUE(queue_->Recover().ok());
  }
  void NewQueue(const JobQueueOptions& options) {
    queue_ = nullptr;
    queue_ = std::make_unique<JobQueue>(store_.get(), &metrics_, options);
  }

  std::string Create(int priority = 0) {
    auto created = queue_->Create("default", Priority(priority), "");
    EXPECT_TRUE(created.ok()) << created.status();
    return created->job.name();
  }
  // The next job there is; fails the test when there is none.
  Lease Acquire() {
    auto lease = queue_->Acquire("node", absl::ZeroDuration());
    EXPECT_TRUE(lease.ok() && lease->has_value());
    return lease.ok() && lease->has_value() ? **lease : Lease();
  }
  bool NothingQueued() {
    return !queue_->Acquire("node", absl::ZeroDuration()).value().has_value();
  }
  Lease CreateRunning() {
    Create();
    Lease lease = Acquire();
    EXPECT_TRUE(queue_->Started(lease.id).ok());
    return lease;
  }
  v1::Job Get(const std::string& name) { return queue_->Get(name).value(); }
  v1::JobState State(const std::string& name) { return Get(name).state(); }
  std::vector<v1::JobEvent> Events(const std::string& name) {
    return store_->Events(name, {}).value();
  }
  // Gives `sink` what a watch has, and waits where there is nothing, until its end.
  absl::Status Follow(const std::string& name, int64_t after,
                      const std::function<void(const v1::JobEvent&)>& sink) {
    const auto ready = std::make_shared<WakeUp>();
    const auto watch = queue_->Watch(name, after, [ready] { ready->Wake(); });
    if (!watch.ok()) return watch.status();
    while (true) {
      ready->Clear();
      const WatchHub::Step step = (*watch)->Next();
      if (step.end.has_value()) return *step.end;
      if (step.event.has_value()) {
        sink(*step.event);
      } else {
        ready->WaitUntil(Instant::Never());
      }
    }
  }
  std::vector<v1::JobEvent> Watch(const std::string& name, int64_t after = 0) {
    std::vector<v1::JobEvent> events;
    const absl::Status status =
        Follow(name, after, [&](const v1::JobEvent& event) { events.push_back(event); });
    EXPECT_TRUE(status.ok()) << status;
    return events;
  }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<SqliteJobStore> store_;
  std::unique_ptr<JobQueue> queue_;
};

std::vector<int64_t> Cursors(const std::vector<v1::JobEvent>& events) {
  std::vector<int64_t> cursors;
  for (const v1::JobEvent& event : events) cursors.push_back(event.cursor());
  return cursors;
}

std::vector<int64_t> Range(int64_t first, int64_t last) {
  std::vector<int64_t> numbers;
  for (int64_t number = first; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

TEST_F(JobQueueTest, LeasesByPriorityThenFirstComeFirstServed) {
  const std::string low = Create(-3), first = Create(), second = Create(), high = Create(100);
  for (const std::string& expected : {high, first, second, low}) {
    EXPECT_EQ(Acquire().id.job(), expected);
    EXPECT_EQ(State(expected), v1::JOB_STATE_STARTING);
  }
  EXPECT_TRUE(NothingQueued());
}

TEST_F(JobQueueTest, AnInterruptedJobKeepsItsPlaceInTheLine) {
  const Lease interrupted = CreateRunning();
  Create();
  ASSERT_TRUE(queue_->Finish(interrupted.id, Failed(v1::ATTEMPT_CAUSE_DRAINED)).ok());
  const Lease next = Acquire();
  EXPECT_EQ(next.id.job(), interrupted.id.job());
  EXPECT_EQ(next.id.attempt(), 2);
  EXPECT_GT(next.id.epoch(), interrupted.id.epoch());
}

TEST_F(JobQueueTest, ANewJobWakesANodeThatWaits) {
  std::string leased;
  std::thread node([&] {
    const auto lease = queue_->Acquire("node", absl::InfiniteDuration());
    if (lease.ok() && lease->has_value()) leased = (*lease)->id.job();
  });
  const std::string job = Create();
  node.join();
  EXPECT_EQ(leased, job);
}

TEST_F(JobQueueTest, AJobIsLeasedOnceHoweverManyAsk) {
  constexpr int kJobs = 12;
  std::set<std::string> expected;
  for (int i = 0; i < kJobs; ++i) expected.insert(Create());
  absl::Mutex mutex;
  std::vector<std::string> leased;
  std::vector<std::thread> nodes;
  for (int i = 0; i < 4; ++i) {
    nodes.emplace_back([&] {
      while (true) {
        const auto lease = queue_->Acquire("node", absl::ZeroDuration());
        if (!lease.ok() || !lease->has_value()) return;
        absl::MutexLock lock(&mutex);
        leased.push_back((*lease)->id.job());
      }
    });
  }
  for (std::thread& node : nodes) node.join();
  EXPECT_EQ(leased.size(), expected.size());
  EXPECT_EQ(std::set<std::string>(leased.begin(), leased.end()), expected);
}

TEST_F(JobQueueTest, ShutdownSendsWaitingNodesHome) {
  std::thread node([&] {
    const auto lease = queue_->Acquire("node", absl::InfiniteDuration());
    EXPECT_TRUE(lease.ok() && !lease->has_value());
  });
  queue_->Shutdown();
  node.join();
  Create();
  EXPECT_TRUE(NothingQueued());
}

TEST_F(JobQueueTest, TheSameRequestIsTheSameJob) {
  v1::JobSpec spec = Priority(1), same = Priority(1);
  for (const char* key : {"a", "b", "c"}) (*spec.mutable_labels())[key] = "x";
  for (const char* key : {"c", "b", "a"}) (*same.mutable_labels())[key] = "x";
  const auto first = queue_->Create("default", spec, "request");
  const auto again = queue_->Create("default", same, "request");
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(again->job.name(), first->job.name());
  EXPECT_TRUE(again->existed);
  EXPECT_TRUE(absl::IsAlreadyExists(queue_->Create("default", Priority(2), "request").status()));
  EXPECT_EQ(queue_->Statistics().queue_depth, 1);
}

TEST_F(JobQueueTest, AQueuedJobIsCancelledAtOnce) {
  const std::string job = Create();
  ASSERT_TRUE(queue_->Cancel(job).ok());
  EXPECT_EQ(State(job), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(Get(job).has_end_time());
  EXPECT_TRUE(NothingQueued());
  EXPECT_TRUE(absl::IsFailedPrecondition(queue_->Cancel(job).status()));
  EXPECT_TRUE(absl::IsNotFound(queue_->Cancel("tenants/default/jobs/none").status()));
}

TEST_F(JobQueueTest, ARunningJobIsAskedToStopAndEndsWhenItHas) {
  std::vector<v1::AttemptId> asked;
  queue_->OnWish([&](const v1::AttemptId& id, LeaseBroker::Wish wish) {
    EXPECT_EQ(wish, LeaseBroker::Wish::kCancel);
    asked.push_back(id);
  });
  const Lease lease = CreateRunning();
  ASSERT_TRUE(queue_->Cancel(lease.id.job()).ok());
  EXPECT_EQ(State(lease.id.job()), v1::JOB_STATE_CANCELLING);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].epoch(), lease.id.epoch());

  const int64_t cursor = Get(lease.id.job()).last_cursor();
  ASSERT_TRUE(queue_->Cancel(lease.id.job()).ok());  // impatient
  EXPECT_EQ(Get(lease.id.job()).last_cursor(), cursor);

  AttemptOutcome outcome;
  outcome.kind = AttemptOutcome::Kind::kCancelled;
  ASSERT_TRUE(queue_->Finish(lease.id, outcome).ok());
  EXPECT_EQ(State(lease.id.job()), v1::JOB_STATE_CANCELLED);
}

TEST_F(JobQueueTest, ACancelBetweenLeaseAndStartIsNotMissed) {
  Create();
  const Lease lease = Acquire();
  ASSERT_TRUE(queue_->Cancel(lease.id.job()).ok());  // nobody listens yet
  int asked = 0;
  queue_->OnWish([&](const v1::AttemptId&, LeaseBroker::Wish) { ++asked; });
  ASSERT_TRUE(queue_->Started(lease.id).ok());
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(State(lease.id.job()), v1::JOB_STATE_CANCELLING);
}

TEST_F(JobQueueTest, AJobThatWasFasterThanItsCancelSucceeds) {
  const Lease lease = CreateRunning();
  ASSERT_TRUE(queue_->Cancel(lease.id.job()).ok());
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  EXPECT_EQ(State(lease.id.job()), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(JobQueueTest, OnlyAnEndedJobCanBeDeleted) {
  const Lease lease = CreateRunning();
  EXPECT_TRUE(absl::IsFailedPrecondition(queue_->Delete(lease.id.job())));
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  EXPECT_TRUE(queue_->Delete(lease.id.job()).ok());
  EXPECT_TRUE(absl::IsNotFound(queue_->Get(lease.id.job()).status()));
}

// An attempt that was given up cannot touch its successor.
TEST_F(JobQueueTest, EveryReportUnderAStaleEpochIsRefused) {
  const Lease stale = CreateRunning();
  ASSERT_TRUE(queue_->Finish(stale.id, Failed(v1::ATTEMPT_CAUSE_PREEMPTED)).ok());
  const Lease current = Acquire();
  ASSERT_EQ(current.id.job(), stale.id.job());
  ASSERT_TRUE(queue_->Started(current.id).ok());
  const std::string before = Get(stale.id.job()).SerializeAsString();
  EXPECT_TRUE(absl::IsAborted(queue_->Started(stale.id)));
  EXPECT_TRUE(absl::IsAborted(queue_->ReportProgress(stale.id, Point("training", 9))));
  EXPECT_TRUE(absl::IsAborted(queue_->ReportWarning(stale.id, "late")));
  EXPECT_TRUE(absl::IsAborted(queue_->ReportCheckpoint(stale.id, {})));
  EXPECT_TRUE(absl::IsAborted(queue_->Finish(stale.id, Succeeded())));
  EXPECT_EQ(Get(stale.id.job()).SerializeAsString(), before);

  EXPECT_TRUE(queue_->ReportProgress(current.id, Point("training", 1)).ok());
  EXPECT_TRUE(queue_->Finish(current.id, Succeeded()).ok());
  EXPECT_TRUE(absl::IsAborted(queue_->Finish(current.id, Succeeded()))) << "ended twice";
  v1::AttemptId nobody = current.id;
  nobody.set_job("tenants/default/jobs/none");
  EXPECT_TRUE(absl::IsAborted(queue_->ReportWarning(nobody, "")));
}

TEST_F(JobQueueTest, ProgressIsMergedButNoPhaseIsLost) {
  const Lease lease = CreateRunning();
  for (int64_t step = 1; step <= 50; ++step) {
    ASSERT_TRUE(queue_->ReportProgress(lease.id, Point("training", step)).ok());
  }
  ASSERT_TRUE(queue_->ReportProgress(lease.id, Point("saving", 50)).ok());
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  std::vector<std::string> phases;
  int64_t last_step = 0;
  for (const v1::JobEvent& event : Events(lease.id.job())) {
    if (!event.has_progress()) continue;
    EXPECT_GE(event.progress().step(), last_step);
    last_step = event.progress().step();
    if (phases.empty() || phases.back() != event.progress().phase()) {
      phases.push_back(event.progress().phase());
    }
  }
  EXPECT_THAT(phases, ElementsAre("training", "saving"));
  EXPECT_EQ(last_step, 50);
  EXPECT_EQ(Get(lease.id.job()).progress().phase(), "saving");
}

TEST_F(JobQueueTest, ARestartClosesLeasesAndQueuesTheirJobsAgain) {
  const std::string queued = Create(-1);
  Create(1);
  const Lease starting = Acquire();
  Create(1);
  const Lease running = Acquire();
  ASSERT_TRUE(queue_->Started(running.id).ok());
  Create(1);
  const Lease cancelling = Acquire();
  ASSERT_TRUE(queue_->Started(cancelling.id).ok());
  ASSERT_TRUE(queue_->Cancel(cancelling.id.job()).ok());
  Create(1);
  const Lease done = Acquire();
  ASSERT_TRUE(queue_->Started(done.id).ok());
  ASSERT_TRUE(queue_->Finish(done.id, Succeeded()).ok());

  Restart();
  EXPECT_EQ(State(queued), v1::JOB_STATE_QUEUED);
  EXPECT_THAT(Get(queued).attempts(), IsEmpty());
  for (const Lease& lost : {starting, running}) {
    const v1::Job job = Get(lost.id.job());
    EXPECT_EQ(job.state(), v1::JOB_STATE_QUEUED);
    EXPECT_EQ(job.attempts(0).cause(), v1::ATTEMPT_CAUSE_LOST);
    EXPECT_TRUE(job.attempts(0).has_end_time());
    EXPECT_EQ(Events(job.name()).back().state().to(), v1::JOB_STATE_QUEUED);
    EXPECT_TRUE(absl::IsAborted(queue_->Finish(lost.id, Succeeded())));
  }
  EXPECT_EQ(State(cancelling.id.job()), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(State(done.id.job()), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Acquire().id.job(), starting.id.job());
  EXPECT_EQ(Acquire().id.job(), running.id.job());
  EXPECT_EQ(Acquire().id.job(), queued);
}

TEST_F(JobQueueTest, AJobThatIsLostTooOftenIsNotTriedAgain) {
  const std::string job = Create();
  for (int attempt = 1; attempt <= RetryPolicy().max_retries + 1; ++attempt) {
    EXPECT_EQ(State(job), v1::JOB_STATE_QUEUED);
    EXPECT_EQ(Acquire().id.attempt(), attempt);
    Restart();
  }
  EXPECT_EQ(State(job), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Get(job).error().message(), HasSubstr("not tried again"));
  EXPECT_TRUE(NothingQueued());
}

TEST_F(JobQueueTest, AFailedJobIsLeasedAgainOnceItHasWaited) {
  JobQueueOptions options;
  options.retry.first_delay = options.retry.longest_delay = absl::Milliseconds(20);
  NewQueue(options);
  const Lease lease = CreateRunning();
  ASSERT_TRUE(queue_->Finish(lease.id, Failed(v1::ATTEMPT_CAUSE_CRASH)).ok());
  const auto next = queue_->Acquire("node", absl::InfiniteDuration());
  ASSERT_TRUE(next.ok() && next->has_value());
  EXPECT_EQ((*next)->id.job(), lease.id.job());
  EXPECT_EQ((*next)->id.attempt(), 2);
}

TEST_F(JobQueueTest, AJobThatWaitsLetsOthersGoFirst) {
  JobQueueOptions options;
  options.retry.first_delay = options.retry.longest_delay = absl::Hours(1000);
  NewQueue(options);
  const Lease lease = CreateRunning();
  ASSERT_TRUE(queue_->Finish(lease.id, Failed(v1::ATTEMPT_CAUSE_CRASH)).ok());
  EXPECT_TRUE(Get(lease.id.job()).has_next_attempt_time());
  EXPECT_TRUE(NothingQueued());
  const std::string other = Create(-1);
  EXPECT_EQ(Acquire().id.job(), other);
  // A restart has waited long enough.
  Restart();
  EXPECT_EQ(Acquire().id.job(), lease.id.job());
}

TEST_F(JobQueueTest, AJobThatWaitsCanBeCancelled) {
  JobQueueOptions options;
  options.retry.first_delay = options.retry.longest_delay = absl::Hours(1000);
  NewQueue(options);
  const Lease lease = CreateRunning();
  ASSERT_TRUE(queue_->Finish(lease.id, Failed(v1::ATTEMPT_CAUSE_CRASH)).ok());
  ASSERT_TRUE(queue_->Cancel(lease.id.job()).ok());
  EXPECT_EQ(State(lease.id.job()), v1::JOB_STATE_CANCELLED);
  EXPECT_FALSE(Get(lease.id.job()).has_next_attempt_time());
}

TEST_F(JobQueueTest, ALeaseThatNobodyRenewsIsLost) {
  JobQueueOptions options;
  options.lease_timeout = absl::Milliseconds(50);
  options.retry.first_delay = absl::Milliseconds(1);
  NewQueue(options);
  const Lease lease = CreateRunning();
  const auto next = queue_->Acquire("node", absl::InfiniteDuration());
  ASSERT_TRUE(next.ok() && next->has_value());
  EXPECT_EQ((*next)->id.job(), lease.id.job());
  EXPECT_EQ(Get(lease.id.job()).attempts(0).cause(), v1::ATTEMPT_CAUSE_LOST);
  // What was stopped and goes on is refused.
  EXPECT_TRUE(absl::IsAborted(queue_->Renew(lease.id)));
  EXPECT_TRUE(absl::IsAborted(queue_->ReportProgress(lease.id, Point("training", 1))));
  EXPECT_TRUE(absl::IsAborted(queue_->Finish(lease.id, Succeeded())));
}

TEST_F(JobQueueTest, StatisticsCountWhatWaits) {
  const Lease lease = CreateRunning();
  Create();
  Create();
  const metrics::JobStatistics statistics = queue_->Statistics();
  EXPECT_EQ(statistics.queue_depth, 2);
  EXPECT_GE(statistics.oldest_queue_age, absl::ZeroDuration());
  EXPECT_EQ(statistics.counts.size(), 2u);
  for (const metrics::JobCount& count : statistics.counts) {
    EXPECT_EQ(count.method, "shot");
    EXPECT_EQ(count.jobs, count.state == "QUEUED" ? 2 : 1) << count.state;
  }
}

// A job with `points` metric points and a warning, after the three events of its start; each point
// an event of its own.
class WatchTest : public JobQueueTest {
 protected:
  static constexpr int64_t kStartEvents = 3;  // created, leased, started

  void Report(const Lease& lease, int points) {
    for (int i = 0; i < points; ++i) {
      ASSERT_TRUE(queue_->ReportProgress(lease.id, Point(absl::StrCat("phase ", i % 2), i)).ok());
    }
    ASSERT_TRUE(queue_->ReportWarning(lease.id, "look out").ok());
  }

  // What a reader gets that is stuck in the first events until the job has ended.
  std::vector<v1::JobEvent> WatchSlowly(const Lease& lease, int points) {
    absl::Notification stuck, ended;
    std::vector<v1::JobEvent> events;
    std::thread reader([&] {
      const absl::Status status = Follow(lease.id.job(), 0, [&](const v1::JobEvent& event) {
        events.push_back(event);
        if (event.cursor() == kStartEvents) {
          stuck.Notify();
          ended.WaitForNotification();
        }
      });
      EXPECT_TRUE(status.ok()) << status;
    });
    stuck.WaitForNotification();
    Report(lease, points);
    EXPECT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
    ended.Notify();
    reader.join();
    return events;
  }
};

TEST_F(WatchTest, ReplaysFromTheCursorAndEndsWithTheJob) {
  const Lease lease = CreateRunning();
  Report(lease, 4);
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  const int64_t last = Get(lease.id.job()).last_cursor();
  EXPECT_EQ(last, kStartEvents + 4 + 1 + 2);
  for (int64_t after = 0; after <= last; ++after) {
    EXPECT_EQ(Cursors(Watch(lease.id.job(), after)), Range(after + 1, last));
  }
  EXPECT_TRUE(absl::IsOutOfRange(queue_->Watch(lease.id.job(), last + 1, [] {}).status()));
  EXPECT_TRUE(absl::IsNotFound(queue_->Watch("tenants/default/jobs/none", 0, [] {}).status()));
}

TEST_F(WatchTest, FollowsLiveWithoutGapOrDuplicate) {
  const Lease lease = CreateRunning();
  absl::Notification caught_up;
  std::vector<v1::JobEvent> events;
  std::thread reader([&] {
    const absl::Status status = Follow(lease.id.job(), 1, [&](const v1::JobEvent& event) {
      events.push_back(event);
      if (event.cursor() == kStartEvents) caught_up.Notify();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  caught_up.WaitForNotification();
  for (int round = 0; round < 5; ++round) Report(lease, 4);
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  reader.join();
  EXPECT_EQ(Cursors(events), Range(2, Get(lease.id.job()).last_cursor()));
  EXPECT_EQ(events.back().state().to(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(WatchTest, ASlowReaderLosesMetricPointsOnlyAndIsToldWhich) {
  constexpr int kPoints = 10;
  NewQueue({.watch_backlog_bytes = 1});
  const Lease lease = CreateRunning();
  const std::vector<v1::JobEvent> events = WatchSlowly(lease, kPoints);
  constexpr int64_t kLastPoint = kStartEvents + kPoints;
  // In place of the points, under the last one's cursor: a watch can be resumed from there.
  EXPECT_THAT(Cursors(events),
              ElementsAre(1, 2, 3, kLastPoint, kLastPoint + 1, kLastPoint + 2, kLastPoint + 3));
  ASSERT_EQ(events.size(), 7u);
  EXPECT_EQ(events[3].dropped().first_cursor(), kStartEvents + 1);
  EXPECT_EQ(events[3].dropped().last_cursor(), kLastPoint);
  EXPECT_EQ(events[4].warning(), "look out");
  EXPECT_TRUE(events[5].has_result());
  EXPECT_EQ(events[6].state().to(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(WatchTest, AReaderThatIsALittleBehindLosesNothing) {
  constexpr int kPoints = 10;
  NewQueue({.watch_backlog_bytes = 64 << 10});
  const Lease lease = CreateRunning();
  EXPECT_EQ(Cursors(WatchSlowly(lease, kPoints)), Range(1, kStartEvents + kPoints + 3));
}

TEST_F(WatchTest, HistoryIsReplayedInFullHoweverLong) {
  NewQueue({.watch_backlog_bytes = 1});
  const Lease lease = CreateRunning();
  constexpr int kPoints = 600;  // several reads
  ASSERT_TRUE(store_
                  ->Update(lease.id.job(),
                           [](JobChange& change) {
                             for (int i = 0; i < kPoints; ++i) {
                               AddProgress(change, Point("training", i), absl::Now());
                             }
                             return absl::OkStatus();
                           })
                  .ok());
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  EXPECT_EQ(Cursors(Watch(lease.id.job())), Range(1, kStartEvents + kPoints + 2));
}

TEST_F(WatchTest, AReaderThatHasGoneIsCalledNoMore) {
  const Lease lease = CreateRunning();
  int calls = 0;
  {
    const auto gone = queue_->Watch(lease.id.job(), kStartEvents, [&] { ++calls; });
    ASSERT_TRUE(gone.ok()) << gone.status();
    const WatchHub::Step step = (*gone)->Next();
    EXPECT_FALSE(step.event.has_value() || step.end.has_value());
  }
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  Watch(lease.id.job());
  EXPECT_EQ(calls, 0);
}

TEST_F(WatchTest, OfADeletedJobEnds) {
  const Lease lease = CreateRunning();
  absl::Notification caught_up, deleted;
  absl::Status status;
  std::thread reader([&] {
    status = Follow(lease.id.job(), 0, [&](const v1::JobEvent& event) {
      if (event.cursor() == kStartEvents) caught_up.Notify();
      // Until the job is deleted, so that its end is not read.
      if (event.has_result()) deleted.WaitForNotification();
    });
  });
  caught_up.WaitForNotification();
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  const absl::Status gone = queue_->Delete(lease.id.job());
  deleted.Notify();
  reader.join();
  EXPECT_TRUE(gone.ok()) << gone;
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
}

TEST_F(WatchTest, ManyReadersEachGetEverything) {
  const Lease lease = CreateRunning();
  std::vector<std::vector<v1::JobEvent>> seen(16);
  std::vector<std::thread> readers;
  for (std::vector<v1::JobEvent>& events : seen) {
    readers.emplace_back([&] { events = Watch(lease.id.job()); });
  }
  for (int round = 0; round < 20; ++round) Report(lease, 4);
  ASSERT_TRUE(queue_->Finish(lease.id, Succeeded()).ok());
  for (std::thread& reader : readers) reader.join();
  for (const std::vector<v1::JobEvent>& events : seen) {
    EXPECT_EQ(Cursors(events), Range(1, Get(lease.id.job()).last_cursor()));
  }
}

// Commits are made in one order and may be published in another.
TEST_F(WatchTest, TheOrderOfPublicationDoesNotMatter) {
  const Lease lease = CreateRunning();
  WatchHub hub(store_.get(), 64 << 10);
  const auto ready = std::make_shared<WakeUp>();
  const auto watch = hub.Open(lease.id.job(), kStartEvents, [ready] { ready->Wake(); });
  ASSERT_TRUE(watch.ok()) << watch.status();
  std::vector<std::pair<v1::Job, std::vector<v1::JobEvent>>> commits;
  for (int i = 0; i < 4; ++i) {
    std::vector<v1::JobEvent> events;
    const auto job = store_->Update(lease.id.job(), [&](JobChange& change) {
      AddProgress(change, Point("training", i), absl::Now());
      events = change.events;
      return absl::OkStatus();
    });
    ASSERT_TRUE(job.ok()) << job.status();
    commits.emplace_back(*job, std::move(events));
  }
  for (const int i : {1, 0, 3, 2}) hub.Publish(commits[i].first, commits[i].second);
  std::vector<int64_t> cursors;
  while (cursors.size() < 4) {
    ready->Clear();
    const WatchHub::Step step = (*watch)->Next();
    ASSERT_FALSE(step.end.has_value()) << *step.end;
    if (step.event.has_value()) {
      cursors.push_back(step.event->cursor());
    } else {
      ready->WaitUntil(Instant::Never());
    }
  }
  EXPECT_EQ(cursors, Range(kStartEvents + 1, kStartEvents + 4));
}

TEST_F(WatchTest, ShutdownTellsReadersToComeBack) {
  const Lease lease = CreateRunning();
  absl::Notification caught_up;
  absl::Status status;
  std::thread reader([&] {
    status = Follow(lease.id.job(), 0, [&](const v1::JobEvent& event) {
      if (event.cursor() == kStartEvents) caught_up.Notify();
    });
  });
  caught_up.WaitForNotification();
  queue_->Shutdown();
  reader.join();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(queue_->Finish(lease.id, Succeeded()).ok()) << "reports still work";
}

class QueueFairnessTest : public JobQueueTest {
 protected:
  // A queue with these options over the same store, as after a restart.
  void Begin(const JobSchedulerOptions& scheduling) {
    scheduling_ = scheduling;
    JobQueueOptions options;
    options.scheduling = scheduling;
    NewQueue(options);
    ASSERT_TRUE(queue_->Recover().ok());
    queue_->OnWish([this](const v1::AttemptId& id, LeaseBroker::Wish wish) {
      wishes_.emplace_back(id.job(), wish);
    });
  }
  absl::StatusOr<CreatedJob> CreateIn(const std::string& tenant, int priority = 0,
                                      const std::string& request_id = "") {
    return queue_->Create(tenant, Priority(priority), request_id);
  }
  // Ends the attempt with a peak of memory.
  void Succeed(const Lease& lease, int64_t peak_bytes) {
    AttemptOutcome outcome = Succeeded();
    outcome.peak_memory_bytes = peak_bytes;
    ASSERT_TRUE(queue_->Finish(lease.id, outcome).ok());
  }

  JobSchedulerOptions scheduling_;
  std::vector<std::pair<std::string, LeaseBroker::Wish>> wishes_;
};

TEST_F(QueueFairnessTest, AFloodOfOneTenantDoesNotKeepAnotherWaiting) {
  Begin({});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(CreateIn("flood").ok());
  const std::string small = CreateIn("small")->job.name();
  EXPECT_EQ(TenantOfJob(Acquire().id.job()), "flood");
  EXPECT_EQ(Acquire().id.job(), small);
}

TEST_F(QueueFairnessTest, TheLineIsTheSameAfterARestart) {
  const std::string low = Create(-3), first = Create(), second = Create(), high = Create(100);
  const std::string cancelled = Create(50);
  ASSERT_TRUE(queue_->Cancel(cancelled).ok());
  Restart();
  for (const std::string& expected : {high, first, second, low}) {
    EXPECT_EQ(Acquire().id.job(), expected);
  }
  EXPECT_TRUE(NothingQueued());
}

TEST_F(QueueFairnessTest, AFullQueueRefusesNewJobsButKnowsOldRequests) {
  JobSchedulerOptions scheduling;
  TenantPolicy policy;
  policy.max_queued = 2;
  scheduling.tenants = TenantPolicies(policy);
  Begin(scheduling);
  const std::string first = CreateIn("a", 0, "request")->job.name();
  const std::string second = CreateIn("a")->job.name();
  EXPECT_EQ(CreateIn("a").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CreateIn("a", 0, "request")->job.name(), first);
  EXPECT_TRUE(CreateIn("b").ok());
  ASSERT_TRUE(queue_->Pause(second).ok());
  EXPECT_TRUE(CreateIn("a").ok());
  EXPECT_EQ(queue_->Resume(second).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(State(second), v1::JOB_STATE_PAUSED);
  Begin(scheduling);
  EXPECT_EQ(CreateIn("a").status().code(), absl::StatusCode::kResourceExhausted)
      << "after a restart too";
}

TEST_F(QueueFairnessTest, ManyAtOnceDoNotExceedTheQuota) {
  JobSchedulerOptions scheduling;
  TenantPolicy policy;
  policy.max_queued = 20;
  scheduling.tenants = TenantPolicies(policy);
  Begin(scheduling);
  std::atomic<int> made = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int job = 0; job < 10; ++job) made += CreateIn("a").ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 20);
}

TEST_F(QueueFairnessTest, ATenantRunsSoManyAtATimeAndTheOthersSayWhy) {
  JobSchedulerOptions scheduling;
  TenantPolicy policy;
  policy.max_running = 1;
  scheduling.tenants = TenantPolicies(policy);
  scheduling.slots = 4;
  Begin(scheduling);
  ASSERT_TRUE(CreateIn("a").ok());
  const std::string second = CreateIn("a")->job.name();
  const Lease lease = Acquire();
  EXPECT_TRUE(NothingQueued());
  EXPECT_THAT(Get(second).queue_reason(), HasSubstr("tenants/a runs 1 jobs"));
  JobQuery query;
  query.tenant = "a";
  EXPECT_THAT(queue_->List(query)->jobs[0].queue_reason(), HasSubstr("tenants/a runs 1 jobs"));
  // Whoever waits for a lease learns that there is room.
  std::thread waits([&] {
    const auto next = queue_->Acquire("node", absl::Minutes(5));
    EXPECT_EQ((*next)->id.job(), second);
  });
  Succeed(lease, 0);
  waits.join();
  EXPECT_THAT(Get(second).queue_reason(), "");
}

TEST_F(QueueFairnessTest, WhatAJobNeededIsReservedForTheNextAlsoAfterARestart) {
  JobSchedulerOptions scheduling;
  scheduling.slots = 4;
  scheduling.memory_bytes = 1000;
  Begin(scheduling);
  ASSERT_TRUE(CreateIn("a").ok());
  const Lease first = Acquire();
  EXPECT_EQ(queue_->ReservedMemoryBytes(), 250);
  Succeed(first, 600);
  EXPECT_EQ(Get(first.id.job()).attempts(0).peak_memory_bytes(), 600);
  Begin(scheduling);
  const std::string second = CreateIn("a")->job.name(), third = CreateIn("a")->job.name();
  const Lease lease = Acquire();
  EXPECT_EQ(lease.id.job(), second);
  EXPECT_EQ(queue_->ReservedMemoryBytes(), 750);
  EXPECT_TRUE(NothingQueued());
  EXPECT_THAT(Get(third).queue_reason(), HasSubstr("waits for 750 bytes"));
  Succeed(lease, 600);
  EXPECT_EQ(Acquire().id.job(), third);
}

TEST_F(QueueFairnessTest, AJobThatCanNeverFitIsRefusedOrEnded) {
  JobSchedulerOptions scheduling;
  scheduling.memory_bytes = 1000;
  Begin(scheduling);
  ASSERT_TRUE(CreateIn("a").ok());
  const Lease lease = Acquire();
  const std::string queued = CreateIn("a")->job.name();
  Succeed(lease, 1001);
  EXPECT_EQ(CreateIn("a").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(NothingQueued());
  const v1::Job ended = Get(queued);
  EXPECT_EQ(ended.state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(ended.error().message(), HasSubstr("1001 bytes"));
  EXPECT_EQ(queue_->ReservedMemoryBytes(), 0);
}

TEST_F(QueueFairnessTest, AJobOfHigherPriorityGetsTheSlotOfAnother) {
  JobSchedulerOptions scheduling;
  scheduling.preempt = true;
  Begin(scheduling);
  const std::string low = CreateIn("a")->job.name();
  const Lease lease = Acquire();
  ASSERT_TRUE(CreateIn("a").ok());
  EXPECT_THAT(wishes_, IsEmpty()) << "equal priority";
  const std::string high = CreateIn("a", 1)->job.name();
  EXPECT_THAT(wishes_, ElementsAre(std::make_pair(low, LeaseBroker::Wish::kPreempt)));
  AttemptOutcome outcome = Failed(v1::ATTEMPT_CAUSE_PREEMPTED);
  outcome.checkpoint.set_step(7);
  outcome.checkpoint.set_blob("tenants/a/blobs/state");
  ASSERT_TRUE(queue_->Finish(lease.id, outcome).ok());
  EXPECT_EQ(State(low), v1::JOB_STATE_QUEUED);
  const Lease urgent = Acquire();
  EXPECT_EQ(urgent.id.job(), high);
  Succeed(urgent, 0);
  const Lease again = Acquire();
  EXPECT_EQ(again.id.job(), low);
  EXPECT_EQ(again.checkpoint.step(), 7);
  ASSERT_TRUE(CreateIn("a", 2).ok());
  EXPECT_THAT(wishes_, testing::SizeIs(1)) << "it is left in peace";
}

TEST_F(QueueFairnessTest, ACancelledJobIsNotLeased) {
  Begin({});
  const std::string first = CreateIn("a")->job.name(), second = CreateIn("a")->job.name();
  ASSERT_TRUE(queue_->Cancel(first).ok());
  // As if the word of it had not come yet.
  ASSERT_TRUE(store_
                  ->Update(second,
                           [](JobChange& change) {
                             return ChangeState(change, v1::JOB_STATE_PAUSED, "", absl::Now());
                           })
                  .ok());
  EXPECT_TRUE(NothingQueued());
  ASSERT_TRUE(queue_->Resume(second).ok());
  EXPECT_EQ(Acquire().id.job(), second);
}

}  // namespace
}  // namespace acclimate::jobs
