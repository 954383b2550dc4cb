// Calls of many clients on one job are as if they came one after the other.
#include <atomic>
#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/barrier.h"
#include "absl/synchronization/mutex.h"
#include "client/lib/names.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/linearizability.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;
using Kind = Operation::Kind;

constexpr int kClients = 8, kCallsOfAClient = 6;

int64_t Now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

std::string Text(const std::vector<Operation>& history) {
  std::string text;
  for (const Operation& one : history) {
    absl::StrAppend(&text, int{static_cast<int>(one.kind)}, " from ", one.invoked, " to ",
                    one.returned, ": ", absl::StatusCodeToString(one.code), " ",
                    client::StateName(one.state), " ", one.cursor, "\n");
  }
  return text;
}

TEST(CheckerTest, TellsHistoriesApart) {
  constexpr auto kQueued = v1::JOB_STATE_QUEUED, kCancelled = v1::JOB_STATE_CANCELLED;
  constexpr auto kOk = absl::StatusCode::kOk;
  const Operation create = {Kind::kCreate, 0, 10, kOk, kQueued, 1};
  const Operation cancel = {Kind::kCancel, 20, 30, kOk, kCancelled, 2};
  const Operation early = {Kind::kGet, 21, 29, kOk, kQueued, 1};
  const Operation late = {Kind::kGet, 31, 40, kOk, kQueued, 1};
  Operation second_cancel = {Kind::kCancel, 21, 50, kOk, kCancelled, 2};
  EXPECT_TRUE(IsLinearizable({create, cancel, early}));
  EXPECT_FALSE(IsLinearizable({create, cancel, late})) << "a cancel was forgotten";
  EXPECT_FALSE(IsLinearizable({create, cancel, second_cancel})) << "both cannot have cancelled";
  second_cancel.code = absl::StatusCode::kFailedPrecondition;
  EXPECT_TRUE(IsLinearizable({create, cancel, second_cancel}));
  Operation skipped = create;
  skipped.cursor = 2;
  EXPECT_FALSE(IsLinearizable({skipped})) << "an event that nobody made";
}

class LinearizabilityTest : public testing::Test {
 protected:
  Operation Call(ApiClient& api, Kind kind, const std::string& id, std::string& name) {
    Operation operation;
    operation.kind = kind;
    operation.invoked = Now();
    const absl::StatusOr<v1::Job> job = kind == Kind::kCreate   ? api.Create(spec_, id)
                                        : kind == Kind::kCancel ? api.Cancel(name)
                                        : kind == Kind::kPause  ? api.Pause(name)
                                        : kind == Kind::kResume ? api.Resume(name)
                                                                : api.Get(name);
    operation.returned = Now();
    operation.code = job.status().code();
    if (job.ok()) {
      name = job->name();
      operation.state = job->state();
      operation.cursor = job->last_cursor();
    }
    return operation;
  }

  const ServerProcess server_{/*slots=*/0};
  const v1::JobSpec spec_ = e2e::TrainingSpec(ApiClient(server_).Upload(e2e::RandomBytes(1000, 1)));
};

TEST_F(LinearizabilityTest, OfCreateCancelPauseResumeAndGet) {
  const int64_t histories = Count(100, 20'000);
  std::vector<std::vector<Operation>> history(static_cast<size_t>(histories));
  absl::Mutex mutex;                     // guards `history`
  std::vector<absl::Barrier*> together;  // of each history; whoever passes last deletes it
  for (int64_t i = 0; i < histories; ++i) together.push_back(new absl::Barrier(kClients));
  std::vector<std::thread> threads;
  for (int client = 0; client < kClients; ++client) {
    threads.emplace_back([&, client] {
      ApiClient api(server_);
      std::mt19937_64 random = RandomFor(absl::StrCat("client ", client));
      // Cancels are rare: nothing moves after one.
      const Kind kinds[] = {Kind::kGet,    Kind::kGet,    Kind::kPause,  Kind::kPause,
                            Kind::kResume, Kind::kResume, Kind::kCreate, Kind::kCancel};
      for (size_t i = 0; i < history.size(); ++i) {
        if (together[i]->Block()) delete together[i];
        std::string name;
        std::vector<Operation> mine = {Call(api, Kind::kCreate, absl::StrCat("job ", i), name)};
        while (mine.size() < kCallsOfAClient) {
          mine.push_back(
              Call(api, kinds[Draw(random, std::size(kinds) - 1)], absl::StrCat("job ", i), name));
        }
        absl::MutexLock lock(&mutex);
        history[i].insert(history[i].end(), mine.begin(), mine.end());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t moves = 0;
  for (const std::vector<Operation>& one : history) {
    EXPECT_TRUE(IsLinearizable(one)) << Text(one);
    int64_t last = 0;
    for (const Operation& operation : one) last = std::max(last, operation.cursor);
    moves += last;
  }
  Report("histories", absl::StrCat(histories, " of ", kClients * kCallsOfAClient, " calls, ", moves,
                                   " changes of state"));
}

}  // namespace
}  // namespace acclimate::reliability
