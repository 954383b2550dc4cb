// SIGTERM and a new start, again and again, under people who use the shipped command line: none of
// their runs fails, and no step is lost beyond a checkpoint.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/names.h"
#include "gtest/gtest.h"
#include "server/artifacts/sha256.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/attempt_order.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/event_log.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ChildProcess;
using e2e::ServerProcess;
using e2e::TemporaryFolder;

constexpr int kPeople = 3;
constexpr absl::Duration kDrain = absl::Seconds(4);

// Each attempt goes on from the newest checkpoint before it, and makes no step that is in it again.
// Returns how many steps were made twice.
int64_t ExpectNoStepLost(const v1::Job& job, const std::vector<v1::JobEvent>& history) {
  int64_t twice = 0, checkpoint = 0, step = 0, resumed = 0;
  int attempt = 1;
  for (const v1::JobEvent& event : history) {
    if (event.attempt() > attempt) {
      attempt = event.attempt();
      resumed = job.attempts(attempt - 1).resumed_from_step();
      EXPECT_EQ(resumed, checkpoint) << job.DebugString();
      twice += std::max<int64_t>(0, step - resumed);
      step = resumed;
    }
    if (event.has_progress() && event.progress().step() > 0) {
      EXPECT_GE(event.progress().step(), resumed) << "made again: " << event.ShortDebugString();
    }
    if (event.has_checkpoint()) checkpoint = event.checkpoint().step();
    step = std::max({step, event.progress().step(), event.checkpoint().step()});
  }
  return twice;
}

TEST(RestartTest, NoRunOfTheCommandLineFails) {
  std::mt19937_64 random = RandomFor("restarts");
  const TemporaryFolder folder;
  const std::string data = folder.File("data.safetensors");
  e2e::WriteFile(data, e2e::ImageDataset({}, true));
  ServerProcess server(/*slots=*/2, {"--checkpoint-interval=50ms",
                                     "--drain-timeout=" + absl::FormatDuration(kDrain)});
  std::atomic<bool> stop{false};
  std::atomic<int> runs{0};
  std::vector<std::thread> people;
  for (int person = 0; person < kPeople; ++person) {
    people.emplace_back([&, person, address = server.address()] {
      for (int i = 0; !stop; ++i) {
        const std::string out = folder.File(absl::StrCat("out-", person, "-", i));
        ChildProcess cli(
            {ACCLIMATE_CLI, "--server", address, "train", "--architecture", "lenet", "--data", data,
             "--set", "epochs=100", "--set", "batch_size=20", "--out", out},
            out + ".log");
        EXPECT_EQ(cli.Wait(absl::Minutes(20)), 0) << cli.Stderr();
        EXPECT_TRUE(std::filesystem::exists(out + "/model.safetensors")) << cli.Stderr();
        ++runs;
      }
    });
  }
  const int64_t restarts = Count(5, 200);
  absl::Duration longest;
  for (int64_t i = 0; i < restarts; ++i) {
    absl::SleepFor(absl::Milliseconds(1000 + Draw(random, 3000)));
    const absl::Time begin = absl::Now();
    EXPECT_EQ(server.Stop(), 0);
    longest = std::max(longest, absl::Now() - begin);
    absl::SleepFor(absl::Milliseconds(Draw(random, 500)));
    server.Start();
  }
  stop = true;
  for (std::thread& person : people) person.join();

  ApiClient api(server);
  const std::vector<v1::Job> jobs = api.List();
  EXPECT_EQ(static_cast<int>(jobs.size()), runs) << "each run is one job";
  int64_t twice = 0;
  int drained = 0;
  std::string model;
  for (const v1::Job& listed : jobs) {
    const v1::Job job = *api.Get(listed.name());
    EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.DebugString();
    const auto history = ExpectWholeHistory(api.connection(), job, random(), /*cursors=*/2);
    ExpectAttemptsInOrder(job, history);
    ExpectResultReadable(api.connection(), job);
    twice += ExpectNoStepLost(job, history);
    drained += job.attempts_size() - 1;
    if (model.empty()) model = ModelOf(job);
    EXPECT_EQ(ModelOf(job), model) << "all trained the same";
  }
  Report("longest time from SIGTERM to the exit", absl::FormatDuration(longest));
  if (RunOptions().long_form) {
    EXPECT_LE(longest, kDrain + absl::Seconds(4));
  }
  Report("restarts", absl::StrCat(restarts, "; ", runs.load(), " runs, ", drained,
                                  " attempts drained, ", twice, " steps made twice"));
}

}  // namespace
}  // namespace acclimate::reliability
