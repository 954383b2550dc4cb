// kill -9 of the server at any time: what it has acknowledged stays, and nothing is done twice.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/mixed_load.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;

constexpr int kLoadClients = 8;
constexpr absl::Duration kReadyLimit = absl::Seconds(2);

// From the start of the process until health says that it serves.
absl::Duration TimeToStart(ServerProcess& server) {
  const absl::Time start = absl::Now();
  server.Start();
  ApiClient api(server);
  EXPECT_TRUE(e2e::WaitUntil([&] { return api.Serving(); }));
  return absl::Now() - start;
}

void ReportReady(absl::Duration longest) {
  Report("longest time from start to ready", absl::FormatDuration(longest));
  if (RunOptions().long_form) {
    EXPECT_LE(longest, kReadyLimit);
  }
}

// A gap between two kills.
using Gap = std::function<absl::Duration(std::mt19937_64&)>;

void KillUnderLoad(int64_t kills, int64_t most_open, const std::vector<std::string>& more_flags,
                   const Gap& gap) {
  std::mt19937_64 random = RandomFor("kills");
  std::vector<std::string> flags = {"--checkpoint-interval=50ms", "--max-retries=1000"};
  flags.insert(flags.end(), more_flags.begin(), more_flags.end());
  ServerProcess server(/*slots=*/2, flags);
  const std::string data = ApiClient(server).Upload(e2e::ImageDataset({}, true));
  MixedLoad load(server, data, kLoadClients, most_open);
  absl::Duration longest;
  for (int64_t i = 0; i < kills && !testing::Test::HasFailure(); ++i) {
    absl::SleepFor(gap(random));
    server.Kill();
    longest = std::max(longest, TimeToStart(server));
  }
  load.Stop();
  ApiClient api(server);
  load.Settle(api);
  load.Check(api);
  Report("kills", absl::StrCat(kills));
  ReportReady(longest);
}

// Workers that are ready at once, so that attempts are under way at every kill.
TEST(ServerKillTest, UnderMixedLoad) {
  const e2e::TemporaryFolder folder;
  const std::string worker = folder.File("worker-steps");
  std::filesystem::create_symlink(SCRIPTED_WORKER, worker);
  KillUnderLoad(Count(60, 2000), 40, {"--worker=" + worker}, [](std::mt19937_64& random) {
    return absl::Milliseconds(Draw(random, 1) == 0 ? Draw(random, 200) : Draw(random, 1500));
  });
}

TEST(ServerKillTest, UnderMixedLoadOfRealTraining) {
  KillUnderLoad(Count(5, 200), 8, {}, [](std::mt19937_64& random) {
    return absl::Milliseconds(1000 + Draw(random, 4000));
  });
}

TEST(ServerKillTest, ReadyWithTenThousandJobs) {
  constexpr int kThreads = 16, kJobs = 10'000;
  ServerProcess server(/*slots=*/0);
  const std::string data = ApiClient(server).Upload(e2e::RandomBytes(1000, 1));
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      ApiClient api(server);
      for (int i = thread; i < kJobs; i += kThreads) {
        EXPECT_TRUE(api.Create(e2e::TrainingSpec(data), absl::StrCat("job ", i)).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::Duration longest;
  for (int64_t i = 0; i < Count(5, 50); ++i) {
    server.Kill();
    longest = std::max(longest, TimeToStart(server));
  }
  ReportReady(longest);
  std::set<std::string> names;
  for (const v1::Job& job : ApiClient(server).List()) names.insert(job.name());
  EXPECT_EQ(names.size(), size_t{kJobs});
}

}  // namespace
}  // namespace acclimate::reliability
