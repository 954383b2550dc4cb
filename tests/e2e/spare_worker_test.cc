// The worker that waits for the next job while the slots are busy.
#include <signal.h>

#include <algorithm>

#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

class SpareWorkerTest : public testing::Test {
 protected:
  // Of a busy server.
  pid_t AwaitSpare() {
    EXPECT_TRUE(WaitUntil([&] { return api_.Facts().warm_workers == 1; }));
    const std::vector<pid_t> busy = server_.WorkersOn(data_);
    for (const pid_t worker : server_.Workers()) {
      if (std::find(busy.begin(), busy.end(), worker) == busy.end()) return worker;
    }
    return 0;
  }
  std::string StartEndlessJob() {
    const absl::StatusOr<v1::Job> job = api_.Create(EndlessSpec(data_));
    EXPECT_TRUE(job.ok()) << job.status();
    api_.WaitForStep(job->name());
    return job->name();
  }
  void Stop(const std::string& job) {
    EXPECT_TRUE(api_.Cancel(job).ok());
    EXPECT_EQ(api_.WaitForEnd(job).state(), v1::JOB_STATE_CANCELLED);
  }

  ServerProcess server_{/*slots=*/1};
  ApiClient api_{server_};
  const std::string data_ = api_.Upload(ImageDataset({}, true));
};

TEST_F(SpareWorkerTest, TakesTheNextJob) {
  const std::string first = StartEndlessJob();
  const pid_t spare = AwaitSpare();
  ASSERT_NE(spare, 0);
  Stop(first);
  const std::string second = StartEndlessJob();
  EXPECT_EQ(server_.WorkersOn(data_), std::vector<pid_t>{spare});
  Stop(second);
}

TEST_F(SpareWorkerTest, IsMissedByNobodyWhenItDies) {
  const std::string first = StartEndlessJob();
  const pid_t spare = AwaitSpare();
  ASSERT_NE(spare, 0);
  ASSERT_EQ(kill(spare, SIGKILL), 0);
  Stop(first);
  Stop(StartEndlessJob());
}

TEST(NoSpareWorkerTest, WhereTheOperatorWantsNone) {
  ServerProcess server(/*slots=*/1, {"--spare-worker=false"});
  ApiClient api(server);
  const std::string data = api.Upload(ImageDataset({}, true));
  const absl::StatusOr<v1::Job> job = api.Create(EndlessSpec(data));
  ASSERT_TRUE(job.ok()) << job.status();
  api.WaitForStep(job->name(), 50);
  EXPECT_EQ(server.Workers().size(), 1u);
}

}  // namespace
}  // namespace acclimate::e2e
