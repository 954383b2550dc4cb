// Workers that are killed, or stopped past their lease: the job goes on from its checkpoint, and
// ends with the weights of one that nobody disturbed, bit by bit.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/names.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/attempt_order.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/event_log.h"
#include "tests/reliability/health_probe.h"
#include "tests/reliability/method_world.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;
using e2e::WaitUntil;

constexpr int kKillsOfAJob = 2;

std::string Submit(ApiClient& api, const v1::JobSpec& spec) {
  const absl::StatusOr<v1::Job> job = api.Create(spec);
  EXPECT_TRUE(job.ok()) << spec.method() << ": " << job.status();
  return job.ok() ? job->name() : "";
}

// How long its last attempt ran.
absl::Duration RunTime(const v1::Job& job) {
  const v1::Attempt& attempt = *job.attempts().rbegin();
  return absl::Seconds(attempt.end_time().seconds() - attempt.start_time().seconds()) +
         absl::Nanoseconds(attempt.end_time().nanos() - attempt.start_time().nanos());
}

// I2 to I4, and that the job ended well.
void CheckEnd(ApiClient& api, const v1::Job& job, uint64_t seed) {
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.DebugString();
  ExpectAttemptsInOrder(job, ExpectWholeHistory(api.connection(), job, seed, /*cursors=*/2));
  ExpectResultReadable(api.connection(), job);
}

// Files of the result that must not depend on how often the job was disturbed.
std::vector<std::string> Weights(const v1::Job& job) {
  std::vector<std::string> weights;
  for (const v1::OutputFile& file : job.result().files()) {
    if (absl::StartsWith(file.name(), "model.") || file.name() == "changed.safetensors" ||
        file.name() == "probabilities.safetensors") {
      weights.push_back(absl::StrCat(file.name(), " ", client::LastSegment(file.blob())));
    }
  }
  return weights;
}

class WorkerKillTest : public testing::Test {
 protected:
  // Kills the worker of the job after a while of its attempt. False: the job was faster.
  bool Kill(ApiClient& api, const std::string& job, const std::string& target, int attempt,
            absl::Duration after) {
    absl::Time begin;
    const bool seen = WaitUntil([&] {
      const absl::StatusOr<v1::Job> now = api.Get(job);
      begin = absl::Now();
      return now.ok() && (client::HasEnded(now->state()) ||
                          (now->attempts_size() == attempt && !server_.WorkersOn(target).empty()));
    });
    EXPECT_TRUE(seen) << job;
    absl::SleepFor(after);
    const std::vector<pid_t> workers = server_.WorkersOn(target);
    return !workers.empty() && kill(workers[0], SIGKILL) == 0;
  }

  // Runs the method alone, then under kills.
  void Disturb(ApiClient& api, const v1::Method& method, uint64_t seed, int jobs) {
    std::mt19937_64 random = RandomFor(absl::StrCat(method.name(), seed));
    v1::JobSpec spec;
    {
      absl::MutexLock lock(&mutex_);
      spec = world_->SpecFor(method, seed);
    }
    const v1::Job straight = api.WaitForEnd(Submit(api, spec));
    ASSERT_EQ(straight.state(), v1::JOB_STATE_SUCCEEDED) << straight.DebugString();
    const auto longest = absl::ToInt64Milliseconds(RunTime(straight));
    for (int i = 0; i < jobs; ++i) {
      const std::string job = Submit(api, spec);
      for (int attempt = 1; attempt <= kKillsOfAJob; ++attempt) {
        const auto after = absl::Milliseconds(Draw(random, longest / kKillsOfAJob));
        if (!Kill(api, job, spec.target().blob(), attempt, after)) break;
        ++kills_;
      }
      const v1::Job ended = api.WaitForEnd(job);
      CheckEnd(api, ended, random());
      EXPECT_EQ(Weights(ended), Weights(straight))
          << method.name() << " is not bit-equal after " << ended.attempts_size() << " attempts";
      if (ended.attempts_size() > 1) {
        ++disturbed_;
        resumed_ += ended.attempts().rbegin()->resumed_from_step() > 0 ? 1 : 0;
      }
    }
  }

  ServerProcess server_{/*slots=*/2, {"--checkpoint-interval=10ms", "--max-retries=20"}};
  absl::Mutex mutex_;
  std::unique_ptr<MethodWorld> world_;
  std::atomic<int> kills_{0}, disturbed_{0}, resumed_{0};
};

TEST_F(WorkerKillTest, EveryMethodEndsBitEqual) {
  ApiClient api(server_);
  world_ = std::make_unique<MethodWorld>(api);
  std::vector<v1::Method> methods = world_->methods();
  ASSERT_FALSE(methods.empty());
  const bool all = RunOptions().long_form;
  std::mt19937_64 random = RandomFor("methods");
  std::shuffle(methods.begin(), methods.end(), random);
  const int64_t kills = Count(40, 1000);
  const auto chosen = all ? static_cast<int64_t>(methods.size())
                          : std::min<int64_t>(static_cast<int64_t>(methods.size()), 10);
  const auto jobs = static_cast<int>(std::max<int64_t>(1, kills / chosen / kKillsOfAJob));
  if (!all) {
    // It takes as long as ten others.
    methods.erase(
        std::remove_if(methods.begin(), methods.end(),
                       [](const v1::Method& one) { return one.name() == "methods/auto"; }),
        methods.end());
  }
  methods.resize(static_cast<size_t>(chosen));

  const HealthProbe health(server_);
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&] {
      ApiClient mine(server_);
      for (size_t i = next++; i < methods.size(); i = next++) {
        SCOPED_TRACE(methods[i].name());
        Disturb(mine, methods[i], i, jobs);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::string names;
  for (const v1::Method& method : methods) {
    absl::StrAppend(&names, " ", method.name().substr(method.name().find('/') + 1));
  }
  Report("methods", names);
  Report("kills", absl::StrCat(kills_.load(), " of workers; ", disturbed_.load(),
                               " jobs with several attempts, ", resumed_.load(),
                               " of them ended from a checkpoint"));
  EXPECT_GT(resumed_, 0);
}

// A worker, and the whole server, stopped for longer than a lease lasts: nothing that is said later
// counts.
class StopTest : public testing::Test {
 protected:
  std::string Begin() {
    const std::string job = Submit(api_, spec_);
    api_.WaitForStep(job, 1 + Draw(random_, 100));
    return job;
  }
  void CheckAgainst(const v1::Job& straight, const std::string& job) {
    const v1::Job ended = api_.WaitForEnd(job);
    CheckEnd(api_, ended, random_());
    EXPECT_EQ(Weights(ended), Weights(straight));
  }

  std::mt19937_64 random_ = RandomFor("stops");
  ServerProcess server_{
      /*slots=*/1, {"--checkpoint-interval=10ms", "--no-progress-timeout=1s", "--max-retries=20"}};
  ApiClient api_{server_};
  const std::string data_ = api_.Upload(e2e::ImageDataset({}, true));
  const v1::JobSpec spec_ = e2e::TrainingSpec(data_, 60);
};

TEST_F(StopTest, OfAWorkerPastItsLease) {
  const v1::Job straight = api_.WaitForEnd(Submit(api_, spec_));
  const HealthProbe health(server_);
  const int64_t stops = Count(5, 200);
  for (int64_t i = 0; i < stops; ++i) {
    const std::string job = Begin();
    const std::vector<pid_t> workers = server_.WorkersOn(data_);
    ASSERT_EQ(workers.size(), 1u);
    ASSERT_EQ(kill(workers[0], SIGSTOP), 0);
    // A worker may hear of its end before it is killed: it then speaks once more.
    absl::SleepFor(absl::Milliseconds(500 + Draw(random_, 2500)));
    kill(workers[0], SIGCONT);
    CheckAgainst(straight, job);
    if (HasFailure()) break;
  }
  Report("stops of a worker", absl::StrCat(stops));
}

TEST_F(StopTest, OfTheServerPastAllLeases) {
  constexpr absl::Duration kLease = absl::Seconds(15);
  const v1::Job straight = api_.WaitForEnd(Submit(api_, spec_));
  const int64_t stops = Count(1, 50);
  for (int64_t i = 0; i < stops; ++i) {
    const std::string job = Begin();
    const v1::Job before = *api_.Get(job);
    ASSERT_EQ(kill(server_.pid(), SIGSTOP), 0);
    absl::SleepFor(kLease + absl::Seconds(1) + absl::Milliseconds(Draw(random_, 2000)));
    ASSERT_EQ(kill(server_.pid(), SIGCONT), 0);
    ExpectNoStepBack(before, *api_.Get(job));
    CheckAgainst(straight, job);
    if (HasFailure()) break;
  }
  Report("stops of the server", absl::StrCat(stops));
}

}  // namespace
}  // namespace acclimate::reliability
