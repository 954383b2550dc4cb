// What survives kill -9 of the server, and an orderly stop.
#include <signal.h>

#include "client/lib/job_watcher.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

class RestartTest : public testing::Test {
 protected:
  std::string Submit(ApiClient& api, const v1::JobSpec& spec, const std::string& request_id = "") {
    absl::StatusOr<v1::Job> job = api.Create(spec, request_id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }

  ServerProcess server_{/*slots=*/1};
};

TEST_F(RestartTest, QueuedRunningAndFinishedJobsSurviveAKill) {
  std::string finished, running, queued, data;
  v1::Job finished_before;
  {
    ApiClient api(server_);
    data = api.Upload(ImageDataset({}, true));
    finished = Submit(api, TrainingSpec(data, 1));
    finished_before = api.WaitForEnd(finished);
    running = Submit(api, TrainingSpec(data, 150));
    queued = Submit(api, TrainingSpec(data, 1), "the-queued-one");
    api.WaitForStep(running);
    EXPECT_EQ(api.Get(queued)->state(), v1::JOB_STATE_QUEUED);
  }
  server_.Kill();
  server_.Start();

  ApiClient api(server_);
  EXPECT_EQ(api.List().size(), 3u);
  EXPECT_TRUE(api.HasBlob(data));
  EXPECT_EQ(Bytes(*api.Get(finished)), Bytes(finished_before));
  // A retry of what was acknowledged before the kill finds the same job.
  EXPECT_EQ(Submit(api, TrainingSpec(data, 1), "the-queued-one"), queued);

  const v1::Job run_again = api.WaitForEnd(running);
  EXPECT_EQ(run_again.state(), v1::JOB_STATE_SUCCEEDED) << run_again.DebugString();
  ASSERT_EQ(run_again.attempts_size(), 2);
  EXPECT_EQ(run_again.attempts(0).cause(), v1::ATTEMPT_CAUSE_LOST);
  EXPECT_GT(run_again.attempts(1).epoch(), run_again.attempts(0).epoch());
  EXPECT_EQ(api.WaitForEnd(queued).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(RestartTest, NoWorkerOutlivesAKilledServer) {
  ApiClient api(server_);
  api.WaitForStep(Submit(api, EndlessSpec(api.Upload(ImageDataset({}, true)))));
  const std::vector<pid_t> workers = server_.Workers();
  ASSERT_FALSE(workers.empty());
  server_.Kill();
  for (pid_t worker : workers) {
    EXPECT_TRUE(WaitUntil([&] { return kill(worker, 0) != 0; })) << worker;
  }
}

TEST_F(RestartTest, AWatchGoesOnAcrossARestartWithoutGapOrDuplicate) {
  ApiClient api(server_);
  const std::string job = Submit(api, TrainingSpec(api.Upload(ImageDataset({}, true)), 100));
  std::vector<int64_t> cursors;
  bool killed = false;
  client::JobWatcher watcher(api.connection(), [&](const v1::JobEvent& event) {
    cursors.push_back(event.cursor());
    if (killed || event.progress().step() < 1) return;
    killed = true;
    server_.Kill();
    server_.Start();
  });
  absl::StatusOr<v1::Job> ended = watcher.Watch(job);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_TRUE(killed);
  EXPECT_EQ(ended->state(), v1::JOB_STATE_SUCCEEDED);
  ASSERT_EQ(static_cast<int64_t>(cursors.size()), ended->last_cursor());
  for (size_t i = 0; i < cursors.size(); ++i) EXPECT_EQ(cursors[i], static_cast<int64_t>(i) + 1);
}

TEST_F(RestartTest, AnOrderlyStopPutsRunningJobsBack) {
  std::string job;
  {
    ApiClient api(server_);
    job = Submit(api, TrainingSpec(api.Upload(ImageDataset({}, true)), 150));
    api.WaitForStep(job);
  }
  EXPECT_EQ(server_.Stop(), 0);
  server_.Start();
  ApiClient api(server_);
  const v1::Job ended = api.WaitForEnd(job);
  EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
  EXPECT_EQ(ended.attempts_size(), 2);
}

}  // namespace
}  // namespace acclimate::e2e
