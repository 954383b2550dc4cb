// WatchJob: a replay from any cursor, then live, in order, complete.
#include <thread>

#include "client/lib/job_watcher.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

std::vector<std::string> Serialized(const std::vector<v1::JobEvent>& events, size_t from = 0) {
  std::vector<std::string> all;
  for (size_t i = from; i < events.size(); ++i) all.push_back(Bytes(events[i]));
  return all;
}

class WatchTest : public testing::Test {
 protected:
  std::string Submit(int64_t epochs) {
    absl::StatusOr<v1::Job> job = api_.Create(TrainingSpec(data_, epochs));
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }

  ServerProcess server_;
  ApiClient api_{server_};
  const std::string data_ = api_.Upload(ImageDataset({}, true));
};

TEST_F(WatchTest, EveryCursorGivesTheRest) {
  const std::string job = Submit(20);
  api_.WaitForEnd(job);
  const std::vector<v1::JobEvent> all = api_.Events(job);
  ASSERT_GT(all.size(), 4u);
  for (size_t after = 0; after <= all.size(); ++after) {
    EXPECT_EQ(Serialized(api_.Events(job, after)), Serialized(all, after)) << after;
  }
}

TEST_F(WatchTest, ALiveWatchSeesWhatAReplayShows) {
  const std::string job = Submit(60);
  const std::vector<v1::JobEvent> live = api_.Events(job);  // from the start, to the end
  EXPECT_EQ(Serialized(live), Serialized(api_.Events(job)));
}

TEST_F(WatchTest, AWatchThatBreaksOftenLosesNothing) {
  const std::string job = Submit(100);
  std::vector<v1::JobEvent> pieced;
  while (true) {
    bool cancelled = false;
    std::thread canceller;
    client::JobWatcher watcher(api_.connection(), [&](const v1::JobEvent& event) {
      pieced.push_back(event);
      if (cancelled) return;
      cancelled = true;
      canceller = std::thread([&] { watcher.Cancel(); });
    });
    const int64_t after = pieced.empty() ? 0 : pieced.back().cursor();
    const absl::StatusOr<v1::Job> ended = watcher.Watch(job, after);
    if (canceller.joinable()) canceller.join();
    if (ended.ok()) break;
    ASSERT_EQ(ended.status().code(), absl::StatusCode::kCancelled) << ended.status();
  }
  EXPECT_EQ(Serialized(pieced), Serialized(api_.Events(job)));
}

TEST_F(WatchTest, OfAJobThatDoesNotExist) {
  client::JobWatcher watcher(api_.connection(), [](const v1::JobEvent&) {});
  EXPECT_EQ(watcher.Watch("tenants/default/jobs/none").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace acclimate::e2e
