// The same request by many clients, and again after kills, makes one job.
#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;

constexpr int kCallers = 32;
constexpr int kTimes = 10;  // each request

TEST(RequestIdTest, EachMakesOneJob) {
  std::mt19937_64 random = RandomFor("requests");
  const auto requests = static_cast<size_t>(Count(1000, 100'000));
  std::vector<size_t> calls;
  for (size_t i = 0; i < requests * kTimes; ++i) calls.push_back(i % requests);
  std::shuffle(calls.begin(), calls.end(), random);

  ServerProcess server(/*slots=*/0);
  const std::string data = ApiClient(server).Upload(e2e::RandomBytes(1000, 1));
  std::vector<std::unique_ptr<ApiClient>> clients;
  for (int i = 0; i < kCallers; ++i) clients.push_back(std::make_unique<ApiClient>(server));
  absl::Mutex mutex;
  std::vector<std::string> names(requests);  // guarded by `mutex`
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (const auto& client : clients) {
    threads.emplace_back([&] {
      for (size_t i = next++; i < calls.size(); i = next++) {
        v1::JobSpec spec = e2e::TrainingSpec(data);
        spec.set_seed(calls[i]);
        const absl::StatusOr<v1::Job> job = client->Create(spec, absl::StrCat("id ", calls[i]));
        ASSERT_TRUE(job.ok()) << job.status();
        absl::MutexLock lock(&mutex);
        std::string& name = names[calls[i]];
        EXPECT_TRUE(name.empty() || name == job->name()) << name << " and " << job->name();
        name = job->name();
        EXPECT_EQ(job->spec().seed(), calls[i]);
      }
    });
  }
  int kills = 0;
  for (; next < calls.size(); ++kills) {
    absl::SleepFor(absl::Milliseconds(Draw(random, 400)));
    server.Kill();
    server.Start();
  }
  for (std::thread& thread : threads) thread.join();

  std::set<std::string> there;
  for (const v1::Job& job : ApiClient(server).List()) there.insert(job.name());
  EXPECT_EQ(there.size(), requests);
  EXPECT_EQ(there, std::set<std::string>(names.begin(), names.end()));
  Report("calls", absl::StrCat(calls.size(), " by ", kCallers, " clients, ", kills, " kills, ",
                               there.size(), " jobs"));
  EXPECT_GT(kills, 0);
}

}  // namespace
}  // namespace acclimate::reliability
