// A worker that dies, or is told to stop, concerns its own job only.
#include <signal.h>

#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/http_client.h"

namespace acclimate::e2e {
namespace {

class IsolationTest : public testing::Test {
 protected:
  std::string Submit(const v1::JobSpec& spec) {
    absl::StatusOr<v1::Job> job = api_.Create(spec);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }

  ServerProcess server_{/*slots=*/2};
  ApiClient api_{server_};
  const std::string data_ = api_.Upload(ImageDataset({}, true));
};

TEST_F(IsolationTest, TheJobOfAKilledWorkerIsTriedAgainAndNoOtherNotices) {
  const std::string victim = Submit(TrainingSpec(data_, 50));
  api_.WaitForStep(victim);
  const std::vector<pid_t> workers = server_.WorkersOn(data_);
  ASSERT_EQ(workers.size(), 1u);
  const std::string others_data = api_.Upload(ImageDataset({.seed = 2}, true));
  const std::string other = Submit(TrainingSpec(others_data, 50));
  api_.WaitForStep(other);
  ASSERT_EQ(kill(workers[0], SIGKILL), 0);

  const v1::Job ended = api_.WaitForEnd(victim);
  EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
  ASSERT_EQ(ended.attempts_size(), 2);
  EXPECT_EQ(ended.attempts(0).signal(), SIGKILL);
  EXPECT_EQ(ended.attempts(0).cause(), v1::ATTEMPT_CAUSE_CRASH);
  EXPECT_EQ(ended.attempts(0).last_phase(), "training");
  EXPECT_NE(HttpGet(server_.metrics_address(), "/metrics")
                .body.find("acclimate_job_retries_total{cause=\"crash\"} 1\n"),
            std::string::npos);
  EXPECT_EQ(api_.WaitForEnd(other).state(), v1::JOB_STATE_SUCCEEDED);

  // The slot is filled again.
  EXPECT_EQ(api_.WaitForEnd(Submit(TrainingSpec(others_data, 1))).state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(api_.Serving());
}

TEST_F(IsolationTest, ASecondAbortAtTheSamePlaceEndsTheJobAndLeavesTheTailOfStderr) {
  const std::string victim = Submit(EndlessSpec(data_));
  for (int attempt = 1; attempt <= 2; ++attempt) {
    ASSERT_TRUE(WaitUntil([&] {
      const absl::StatusOr<v1::Job> job = api_.Get(victim);
      return job.ok() && job->attempts_size() == attempt && job->progress().step() > 0;
    }));
    const std::vector<pid_t> workers = server_.WorkersOn(data_);
    ASSERT_EQ(workers.size(), 1u);
    // What a worker writes to stderr is what its own descriptor 2 takes.
    WriteFile("/proc/" + std::to_string(workers[0]) + "/fd/2", "the last words of a worker\n");
    ASSERT_EQ(kill(workers[0], SIGABRT), 0);
  }
  const v1::Job failed = api_.WaitForEnd(victim);
  EXPECT_EQ(failed.state(), v1::JOB_STATE_FAILED);
  EXPECT_NE(failed.error().message().find("crashed twice at the same place"), std::string::npos)
      << failed.DebugString();
  ASSERT_EQ(failed.attempts_size(), 2);
  EXPECT_EQ(failed.attempts(0).signal(), SIGABRT);
  EXPECT_EQ(failed.attempts(0).cause(), v1::ATTEMPT_CAUSE_CRASH);
  EXPECT_NE(failed.attempts(0).stderr_tail().find("the last words of a worker"), std::string::npos)
      << failed.DebugString();
}

TEST_F(IsolationTest, AJobSurvivesTheDeathOfAWorkerThatWaitedForIt) {
  ASSERT_TRUE(WaitUntil([&] { return api_.Facts().warm_workers == 2; }));
  for (const pid_t worker : server_.Workers()) ASSERT_EQ(kill(worker, SIGKILL), 0);
  EXPECT_EQ(api_.WaitForEnd(Submit(TrainingSpec(data_, 1))).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(SilentWorkerTest, AStoppedWorkerIsReplacedAndWhatItSaysLaterIsRefused) {
  const ServerProcess server(/*slots=*/1, {"--no-progress-timeout=1s"});
  ApiClient api(server);
  const std::string data = api.Upload(ImageDataset({}, true));
  const absl::StatusOr<v1::Job> job = api.Create(TrainingSpec(data, 50));
  ASSERT_TRUE(job.ok()) << job.status();
  api.WaitForStep(job->name());
  const std::vector<pid_t> workers = server.WorkersOn(data);
  ASSERT_EQ(workers.size(), 1u);
  ASSERT_EQ(kill(workers[0], SIGSTOP), 0);
  ASSERT_TRUE(WaitUntil([&] { return api.Get(job->name())->attempts_size() == 2; }));
  kill(workers[0], SIGCONT);
  const v1::Job ended = api.WaitForEnd(job->name());
  EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
  ASSERT_EQ(ended.attempts_size(), 2);
  EXPECT_EQ(ended.attempts(0).cause(), v1::ATTEMPT_CAUSE_LOST);
}

TEST(SilentWorkerTest, AStoppedWorkerKeepsNoJobFromBeingPaused) {
  const ServerProcess server(/*slots=*/1, {"--no-progress-timeout=1s"});
  ApiClient api(server);
  const std::string data = api.Upload(ImageDataset({}, true));
  const absl::StatusOr<v1::Job> job = api.Create(EndlessSpec(data));
  ASSERT_TRUE(job.ok()) << job.status();
  api.WaitForStep(job->name());
  const std::vector<pid_t> workers = server.WorkersOn(data);
  ASSERT_EQ(workers.size(), 1u);
  ASSERT_EQ(kill(workers[0], SIGSTOP), 0);
  ASSERT_TRUE(api.Pause(job->name()).ok());
  EXPECT_TRUE(WaitUntil([&] { return api.Get(job->name())->state() == v1::JOB_STATE_PAUSED; }));
}

TEST_F(IsolationTest, ACancelTakesEffectWithinOneStep) {
  const std::string job = Submit(EndlessSpec(data_));
  api_.WaitForStep(job, 3);
  absl::StatusOr<v1::Job> cancelling = api_.Cancel(job);
  ASSERT_TRUE(cancelling.ok()) << cancelling.status();
  const v1::Job ended = api_.WaitForEnd(job);
  EXPECT_EQ(ended.state(), v1::JOB_STATE_CANCELLED) << ended.DebugString();

  // After the cancel no more than the step that was under way is reported, and what had been made
  // but not yet reported: progress travels at intervals, so the events are what can be counted.
  bool cancelled = false;
  int steps_after = 0;
  for (const v1::JobEvent& event : api_.Events(job)) {
    cancelled |= event.state().to() == v1::JOB_STATE_CANCELLING;
    if (cancelled && event.has_progress()) ++steps_after;
  }
  EXPECT_TRUE(cancelled);
  EXPECT_LE(steps_after, 1);
}

TEST_F(IsolationTest, AQueuedJobIsCancelledAtOnceAndAnEndedOneIsNot) {
  const std::string running[] = {Submit(EndlessSpec(data_)), Submit(EndlessSpec(data_))};
  for (const std::string& job : running) api_.WaitForStep(job);
  const std::string queued = Submit(TrainingSpec(data_));
  absl::StatusOr<v1::Job> cancelled = api_.Cancel(queued);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(api_.Cancel(queued).status().code(), absl::StatusCode::kFailedPrecondition);
  for (const std::string& job : running) {
    EXPECT_TRUE(api_.Cancel(job).ok());
    EXPECT_EQ(api_.WaitForEnd(job).state(), v1::JOB_STATE_CANCELLED);
  }
}

}  // namespace
}  // namespace acclimate::e2e
