// kill -9 of the server, at any time and at every kind of change of its files: what it has
// acknowledged stays, and nothing is done twice.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/failpoints.h"
#include "tests/reliability/fault_injection.h"
#include "tests/reliability/mixed_load.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;

constexpr int kLoadClients = 8;
constexpr absl::Duration kReadyLimit = absl::Seconds(2);
// A failpoint that is not reached by then is one that the load has no use for.
constexpr absl::Duration kReachLimit = absl::Minutes(5);

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

// Clients that do everything, on a server that dies again and again.
class ServerKillTest : public testing::Test {
 protected:
  // Workers that are ready at once, so that attempts are under way at every kill.
  void BeginWithScriptedWorkers() {
    const std::string worker = workers_.File("worker-steps");
    std::filesystem::create_symlink(SCRIPTED_WORKER, worker);
    Begin(40, {"--worker=" + worker});
  }
  // Blobs that nobody needs are collected meanwhile.
  void Begin(int64_t most_open, const std::vector<std::string>& more_flags) {
    std::vector<std::string> flags = {"--checkpoint-interval=50ms", "--max-retries=1000",
                                      "--gc-interval=100ms", "--gc-grace-period=1s"};
    flags.insert(flags.end(), more_flags.begin(), more_flags.end());
    server_ = std::make_unique<ServerProcess>(/*slots=*/2, flags);
    ApiClient api(*server_);
    const std::string data = api.Upload(e2e::ImageDataset({}, true));
    ASSERT_TRUE(api.Pin(data).ok());
    load_ = std::make_unique<MixedLoad>(*server_, data, kLoadClients, most_open);
  }
  void StartAgain() {
    longest_ = std::max(longest_, TimeToStart(*server_));
    ++kills_;
  }
  // I1 to I4 of all that was done.
  void CheckAll() {
    load_->Stop();
    ApiClient api(*server_);
    load_->Settle(api);
    load_->Check(api);
    Report("kills", absl::StrCat(kills_));
    ReportReady(longest_);
  }
  void KillAtRandom(int64_t kills,
                    const std::function<int64_t(std::mt19937_64&)>& gap_milliseconds) {
    std::mt19937_64 random = RandomFor("kills");
    for (int64_t i = 0; i < kills && !HasFailure(); ++i) {
      absl::SleepFor(absl::Milliseconds(gap_milliseconds(random)));
      server_->Kill();
      StartAgain();
    }
    CheckAll();
  }

  const e2e::TemporaryFolder workers_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<MixedLoad> load_;
  absl::Duration longest_;
  int kills_ = 0;
};

TEST_F(ServerKillTest, AtRandom) {
  BeginWithScriptedWorkers();
  KillAtRandom(Count(30, 2000), [](std::mt19937_64& random) {
    return Draw(random, 1) == 0 ? Draw(random, 200) : Draw(random, 1500);
  });
}

TEST_F(ServerKillTest, AtEveryFailpoint) {
  FaultInjection faults;  // of the server that is started below
  BeginWithScriptedWorkers();
  faults.SetFolder(server_->data_folder());
  std::mt19937_64 random = RandomFor("failpoints");
  std::vector<Failpoint> failpoints = Failpoints();
  std::map<std::string, int> reached;
  // --count shortens the other tests of the row only: each failpoint is reached.
  for (int64_t round = 0; round < (RunOptions().long_form ? 50 : 1); ++round) {
    std::shuffle(failpoints.begin(), failpoints.end(), random);
    for (const Failpoint& failpoint : failpoints) {
      if (HasFailure()) break;
      faults.KillAt(failpoint, Draw(random, 3));
      const bool died = e2e::WaitUntil([&] { return !server_->Running(); }, kReachLimit);
      EXPECT_EQ(faults.StopKill(), died) << failpoint.name();
      EXPECT_TRUE(died) << "never reached: " << failpoint.name();
      if (!died) continue;
      EXPECT_EQ(server_->WaitForExit(), 128 + SIGKILL) << failpoint.name();
      ++reached[failpoint.name()];
      StartAgain();
    }
  }
  CheckAll();
  Report("failpoints", absl::StrCat(reached.size(), " of ", failpoints.size()));
}

TEST_F(ServerKillTest, AtRandomUnderRealTraining) {
  Begin(8, {});
  KillAtRandom(Count(5, 200), [](std::mt19937_64& random) { return 1000 + Draw(random, 4000); });
}

TEST(ServerStartTest, ReadyWithTenThousandJobs) {
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
