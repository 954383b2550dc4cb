// What an attempt has done is not done again: the next one goes on from its checkpoint, and the
// result is the same, bit by bit.
#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/metrics/server_metrics.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kEpochs = 40;

std::string ModelOf(const v1::Job& job) {
  for (const v1::OutputFile& file : job.result().files()) {
    if (file.name().rfind("model.", 0) == 0) return file.blob();
  }
  return "no model: " + job.DebugString();
}

class ResumeTest : public testing::Test {
 protected:
  void Connect() { api_ = std::make_unique<ApiClient>(server_); }
  std::string Submit() {
    const absl::StatusOr<v1::Job> job = api_->Create(TrainingSpec(data_, kEpochs));
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }
  void WaitForCheckpoint(const std::string& job) {
    EXPECT_TRUE(WaitUntil([&] { return api_->Get(job)->checkpoint().step() > 0; }));
  }
  void WaitForState(const std::string& job, v1::JobState state) {
    EXPECT_TRUE(WaitUntil([&] { return api_->Get(job)->state() == state; }));
  }
  // The last attempt made no step that an earlier one had saved.
  void ExpectResumed(const v1::Job& job) {
    ASSERT_GT(job.attempts_size(), 0);
    const v1::Attempt& last = *job.attempts().rbegin();
    EXPECT_GT(last.resumed_from_step(), 0);
    for (const v1::JobEvent& event : api_->Events(job.name())) {
      if (event.attempt() != last.number() || event.progress().step() == 0) continue;
      EXPECT_GT(event.progress().step(), last.resumed_from_step());
    }
  }
  // As one attempt alone, on a server that nobody disturbs, has it.
  void ExpectTheSameModel(const v1::Job& job) {
    EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.DebugString();
    const v1::Job straight = api_->WaitForEnd(Submit());
    EXPECT_EQ(straight.attempts_size(), 1);
    EXPECT_EQ(ModelOf(job), ModelOf(straight));
  }

  ServerProcess server_{/*slots=*/1, {"--checkpoint-interval=10ms", "--drain-timeout=2s"}};
  std::unique_ptr<ApiClient> api_ = std::make_unique<ApiClient>(server_);
  const std::string data_ = api_->Upload(ImageDataset({}, true));
};

TEST_F(ResumeTest, AfterAKillOfTheWorker) {
  const std::string job = Submit();
  WaitForCheckpoint(job);
  const std::vector<pid_t> workers = server_.WorkersOn(data_);
  ASSERT_EQ(workers.size(), 1u);
  ASSERT_EQ(kill(workers[0], SIGKILL), 0);
  const v1::Job ended = api_->WaitForEnd(job);
  ASSERT_EQ(ended.attempts_size(), 2);
  ExpectResumed(ended);
  ExpectTheSameModel(ended);
}

TEST_F(ResumeTest, AfterAKillOfTheServer) {
  const std::string job = Submit();
  WaitForCheckpoint(job);
  server_.Kill();
  server_.Start();
  Connect();
  const v1::Job ended = api_->WaitForEnd(job);
  ASSERT_EQ(ended.attempts_size(), 2);
  ExpectResumed(ended);
  ExpectTheSameModel(ended);
}

TEST_F(ResumeTest, AfterAPause) {
  const std::string job = Submit();
  api_->WaitForStep(job);
  ASSERT_TRUE(api_->Pause(job).ok());
  WaitForState(job, v1::JOB_STATE_PAUSED);
  EXPECT_TRUE(api_->Pause(job).ok());  // again
  // Its slot is free.
  EXPECT_EQ(api_->WaitForEnd(api_->Create(TrainingSpec(data_, 1))->name()).state(),
            v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(api_->Resume(job).ok());
  const v1::Job ended = api_->WaitForEnd(job);
  ASSERT_EQ(ended.attempts_size(), 2);
  ExpectResumed(ended);
  ExpectTheSameModel(ended);
  EXPECT_EQ(api_->Resume(job).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(api_->Pause(job).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ResumeTest, AQueuedJobIsPausedAtOnceAndAPausedOneIsCancelled) {
  const std::string running = api_->Create(EndlessSpec(data_))->name();
  api_->WaitForStep(running);
  const std::string queued = Submit();
  ASSERT_TRUE(api_->Pause(queued).ok());
  EXPECT_EQ(api_->Get(queued)->state(), v1::JOB_STATE_PAUSED);
  ASSERT_TRUE(api_->Cancel(queued).ok());
  EXPECT_EQ(api_->Get(queued)->state(), v1::JOB_STATE_CANCELLED);
}

TEST_F(ResumeTest, ARetryIsANewJobThatGoesOn) {
  const std::string job = Submit();
  WaitForCheckpoint(job);
  EXPECT_THAT(std::string(api_->Retry(job).status().message()), HasSubstr("RUNNING"));
  ASSERT_TRUE(api_->Cancel(job).ok());
  EXPECT_EQ(api_->WaitForEnd(job).state(), v1::JOB_STATE_CANCELLED);
  const absl::StatusOr<v1::Job> retry = api_->Retry(job, "once");
  ASSERT_TRUE(retry.ok()) << retry.status();
  EXPECT_EQ(retry->retry_of(), job);
  EXPECT_EQ(api_->Retry(job, "once")->name(), retry->name());
  const v1::Job ended = api_->WaitForEnd(retry->name());
  ExpectResumed(ended);
  ExpectTheSameModel(ended);
  EXPECT_EQ(api_->Get(job)->state(), v1::JOB_STATE_CANCELLED);
}

TEST_F(ResumeTest, AfterAnOrderlyStop) {
  const std::string job = Submit();
  api_->WaitForStep(job);
  api_.reset();
  EXPECT_EQ(server_.Stop(), 0);
  server_.Start();
  Connect();
  const v1::Job ended = api_->WaitForEnd(job);
  ASSERT_EQ(ended.attempts_size(), 2);
  EXPECT_EQ(ended.attempts(0).cause(), v1::ATTEMPT_CAUSE_DRAINED);
  ExpectResumed(ended);
  ExpectTheSameModel(ended);
}

TEST_F(ResumeTest, AStateThatCannotBeReadCostsTimeOnly) {
  const std::string job = Submit();
  WaitForCheckpoint(job);
  server_.Kill();
  {
    metrics::ServerMetrics metrics;
    const auto store = jobs::SqliteJobStore::Open(server_.data_folder() + "/jobs.sqlite", &metrics);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto changed = (*store)->Update(job, [&](jobs::JobChange& change) {
      change.job.mutable_checkpoint()->set_blob(data_);
      return absl::OkStatus();
    });
    ASSERT_TRUE(changed.ok()) << changed.status();
  }
  server_.Start();
  Connect();
  const v1::Job ended = api_->WaitForEnd(job);
  std::string warnings;
  for (const v1::JobEvent& event : api_->Events(job)) warnings += event.warning();
  EXPECT_THAT(warnings, HasSubstr("the job begins anew, its saved state cannot be used"));
  ExpectTheSameModel(ended);
}

TEST(DrainTest, AJobThatEndsWithinTheDrainEnds) {
  ServerProcess server(/*slots=*/1, {"--drain-timeout=600s"});
  std::string job;
  {
    ApiClient api(server);
    const absl::StatusOr<v1::Job> created =
        api.Create(TrainingSpec(api.Upload(ImageDataset({}, true)), 20));
    ASSERT_TRUE(created.ok()) << created.status();
    job = created->name();
    api.WaitForStep(job);
  }
  EXPECT_EQ(server.Stop(), 0);
  server.Start();
  ApiClient api(server);
  const v1::Job ended = *api.Get(job);
  EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
  EXPECT_EQ(ended.attempts_size(), 1);
}

}  // namespace
}  // namespace acclimate::e2e
