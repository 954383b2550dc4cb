// Many jobs, all deleted: the server does not grow, and the disk is as it was.
#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/event_log.h"
#include "tests/reliability/health_probe.h"
#include "tests/reliability/options.h"
#include "tests/reliability/process_size.h"
#include "tests/reliability/store_rows.h"

namespace acclimate::reliability {
namespace {

namespace fs = std::filesystem;
using e2e::ApiClient;
using e2e::ServerProcess;
using e2e::WaitUntil;

constexpr int kSubmitters = 2;
// A watcher that is not told of the end waits for so long.
constexpr absl::Duration kWatchLimit = absl::Minutes(5);
// Every so many jobs one is kept for as long as the others run.
constexpr int kKeptShare = 10;
constexpr absl::Duration kGrace = absl::Seconds(1);
// Of pages that the job store keeps for the next jobs.
constexpr uintmax_t kStoreBytesAllowed = 512 << 10;

int64_t FilesIn(const std::string& folder) {
  int64_t files = 0;
  std::error_code gone;
  for (fs::recursive_directory_iterator entry(folder, gone), end; entry != end;
       entry.increment(gone)) {
    files += entry->is_regular_file(gone) ? 1 : 0;
  }
  return files;
}

class SmallJobsTest : public testing::Test {
 protected:
  // With data of its own, which the collector may take before the job names it.
  static v1::Job Create(ApiClient& api, uint64_t number) {
    while (true) {
      const std::string data = api.Upload(e2e::ImageDataset({.count = 40, .seed = number}, true));
      const absl::StatusOr<v1::Job> job = api.Create(e2e::TrainingSpec(data, 1));
      if (job.ok()) return *job;
      EXPECT_TRUE(absl::IsNotFound(job.status())) << job.status();
    }
  }

  // Who watches from the beginning is told of every event, and of the end.
  static v1::Job WatchToEnd(ApiClient& api, const v1::Job& created) {
    const std::vector<v1::JobEvent> events =
        ReadEvents(api.connection(), created.name(), 0, SIZE_MAX, kWatchLimit);
    EventLog().Add(created.name(), 0, events);
    const v1::Job ended = *api.Get(created.name());
    EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
    EXPECT_TRUE(!events.empty() && events.back().cursor() == ended.last_cursor())
        << "after " << events.size()
        << " events the watcher was told no more: " << ended.DebugString();
    return ended;
  }

  static void Delete(ApiClient& api, const v1::Job& job) {
    ExpectResultReadable(api.connection(), job);
    const absl::Status deleted = api.Delete(job.name());
    EXPECT_TRUE(deleted.ok()) << deleted;
  }

  // `jobs` more, each created, watched to its end, its result read, and deleted: most at once, some
  // after the collector has had time for all of them.
  void Run(ServerProcess& server, int64_t jobs) {
    std::atomic<int64_t> left{jobs};
    std::vector<std::thread> clients;
    for (int i = 0; i < kSubmitters; ++i) {
      clients.emplace_back([&] {
        ApiClient api(server);
        std::vector<v1::Job> kept;
        while (left-- > 0 && !HasFailure()) {
          const uint64_t number = ++number_;
          const v1::Job ended = WatchToEnd(api, Create(api, number));
          if (number % kKeptShare == 0) {
            kept.push_back(ended);
          } else {
            Delete(api, ended);
          }
        }
        absl::SleepFor(3 * kGrace);
        for (const v1::Job& job : kept) Delete(api, job);
      });
    }
    for (std::thread& client : clients) client.join();
  }

  // `worker`: the program of the workers; empty: the one that is shipped.
  void RunAndDelete(const std::string& worker, int64_t jobs) {
    std::vector<std::string> flags = {"--gc-interval=50ms",
                                      "--gc-grace-period=" + absl::FormatDuration(kGrace)};
    if (!worker.empty()) flags.push_back("--worker=" + worker);
    ServerProcess server(/*slots=*/2, flags);
    const std::string store = server.data_folder() + "/jobs.sqlite";
    const uintmax_t store_before = fs::file_size(store);
    const HealthProbe health(server);
    Run(server, jobs / 5);
    const ProcessUsage before = *UsageOf(server.pid());
    Run(server, jobs - jobs / 5);
    ExpectNoGrowth(before, *UsageOf(server.pid()));
    for (const char* folder : {"/blobs", "/uploads", "/quarantine"}) {
      EXPECT_TRUE(WaitUntil([&] { return FilesIn(server.data_folder() + folder) == 0; })) << folder;
    }
    EXPECT_EQ(RowsOfJobs(store), "");
    EXPECT_TRUE(WaitUntil([&] {
      return fs::file_size(store) <= store_before + kStoreBytesAllowed;
    })) << fs::file_size(store);
    Report("the job store", absl::StrCat(store_before, " bytes before, ", fs::file_size(store),
                                         " after ", jobs, " jobs"));
  }

  std::atomic<uint64_t> number_{0};
};

TEST_F(SmallJobsTest, LeaveNothingBehind) {
  const e2e::TemporaryFolder folder;
  const std::string worker = folder.File("worker-small-result");
  fs::create_symlink(SCRIPTED_WORKER, worker);
  RunAndDelete(worker, Count(200, 20'000));
}

TEST_F(SmallJobsTest, OfRealTrainingLeaveNothingBehind) { RunAndDelete("", Count(15, 5000)); }

}  // namespace
}  // namespace acclimate::reliability
