#include "tests/reliability/mixed_load.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/names.h"
#include "google/protobuf/empty.pb.h"
#include "gtest/gtest.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/attempt_order.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;

constexpr char kFilter[] = "label.load=yes";
// A job that was lost more often waits for long before it is tried again.
constexpr int kAttemptsToWaitFor = 3;

}  // namespace

class MixedLoad::Client {
 public:
  Client(MixedLoad& load, const e2e::ServerProcess& server, int number)
      : load_(load),
        number_(number),
        api_(server),
        random_(RandomFor(absl::StrCat("client ", number))) {}

  void Run() {
    while (!load_.stop_) {
      Act();
      ++load_.calls_;
    }
  }

 private:
  void Act() {
    const std::string job = load_.work_.AnyJob(random_);
    const int64_t choice = job.empty() ? 0 : Draw(random_, 999);
    if (choice < 200) return Create(job);
    if (choice < 250) return CreateAgain();
    if (choice < 285) return Upload();
    if (choice < 300) return Unpin();
    if (choice < 550) return Watch(job);
    // Rare, or no job would come to its end.
    if (choice < 553) return Control(job, &ApiClient::Cancel);
    if (choice < 560) return Control(job, &ApiClient::Pause);
    if (choice < 600) return Control(job, &ApiClient::Resume);
    if (choice < 620) return DeleteOwn();
    if (choice < 970) return Get(job);
    List();
  }

  // Looks at `other` where there are jobs enough.
  void Create(const std::string& other) {
    if (load_.work_.open_jobs() >= load_.most_open_) return Get(other);
    v1::JobSpec spec = e2e::TrainingSpec(load_.data_, 5 + Draw(random_, 50));
    (*spec.mutable_labels())["load"] = "yes";
    spec.set_priority(static_cast<int32_t>(Draw(random_, 3)));
    spec.set_seed(static_cast<uint64_t>(Draw(random_, 1000)));
    const std::string id = absl::StrCat("client-", number_, "-", ++created_);
    const absl::StatusOr<v1::Job> job = api_.Create(spec, id);
    EXPECT_TRUE(job.ok()) << job.status();
    if (!job.ok()) return;
    load_.work_.Created(id, *job);
    own_.push_back(job->name());
  }

  // Only this client deletes its jobs, so that they stay meanwhile.
  void CreateAgain() {
    for (const auto& [id, job] : load_.work_.Requests()) {
      if (std::find(own_.begin(), own_.end(), job) == own_.end() || Draw(random_, 3) > 0) continue;
      const absl::StatusOr<v1::Job> again = api_.Create(load_.work_.LastAnswer(job).spec(), id);
      EXPECT_TRUE(again.ok()) << again.status();
      if (again.ok()) load_.work_.Created(id, *again);
      return;
    }
  }

  void Upload() {
    const int64_t bytes = Draw(random_, 4) == 0 ? Draw(random_, 3'000'000) : Draw(random_, 50'000);
    const std::string blob = api_.Upload(e2e::RandomBytes(1 + bytes, random_()));
    const absl::Status pinned = api_.Pin(blob);
    // It may have been collected while the server was down.
    EXPECT_TRUE(pinned.ok() || absl::IsNotFound(pinned)) << pinned;
    if (!pinned.ok()) return;
    load_.work_.Pinned(blob);
    pinned_.push_back(blob);
  }

  void Unpin() {
    if (pinned_.empty()) return;
    const std::string blob = pinned_.back();
    pinned_.pop_back();
    load_.work_.UnpinBegins(blob);
    const absl::Status unpinned = api_.Unpin(blob);
    // NOT_FOUND: the answer to the first try was lost with the server, and then the blob.
    EXPECT_TRUE(unpinned.ok() || absl::IsNotFound(unpinned)) << unpinned;
  }

  void Watch(const std::string& job) {
    const int64_t after = Draw(random_, load_.log_.LastCursor(job));
    const auto limit = absl::Milliseconds(50 + Draw(random_, 500));
    load_.log_.Add(job, after, ReadEvents(api_.connection(), job, after, 1000, limit));
  }

  void Control(const std::string& job,
               absl::StatusOr<v1::Job> (ApiClient::*call)(const std::string&)) {
    const v1::Job before = load_.work_.LastAnswer(job);
    const absl::StatusOr<v1::Job> answer = (api_.*call)(job);
    if (answer.ok()) {
      load_.work_.Answered(before, *answer);
      if (call == &ApiClient::Cancel) load_.work_.CancelAccepted(job);
      return;
    }
    const bool gone = absl::IsNotFound(answer.status()) && load_.work_.MayBeGone(job);
    EXPECT_TRUE(gone || absl::IsFailedPrecondition(answer.status())) << answer.status();
  }

  void DeleteOwn() {
    for (size_t i = 0; i < own_.size(); ++i) {
      if (!client::HasEnded(load_.work_.LastAnswer(own_[i]).state())) continue;
      load_.work_.DeleteBegins(own_[i]);
      const absl::Status status = api_.Delete(own_[i]);
      // NOT_FOUND: the answer to the first try was lost with the server.
      EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
      load_.work_.Deleted(own_[i]);
      own_.erase(own_.begin() + static_cast<int64_t>(i));
      return;
    }
  }

  void Get(const std::string& job) {
    const v1::Job before = load_.work_.LastAnswer(job);
    const absl::StatusOr<v1::Job> answer = api_.Get(job);
    if (answer.ok()) return load_.work_.Answered(before, *answer);
    EXPECT_TRUE(absl::IsNotFound(answer.status()) && load_.work_.MayBeGone(job)) << answer.status();
  }

  void List() {
    const std::vector<std::string> known = load_.work_.Jobs();
    std::set<std::string> there;
    for (const v1::Job& job : api_.List(kFilter)) there.insert(job.name());
    for (const std::string& job : known) {
      EXPECT_TRUE(there.count(job) > 0 || load_.work_.MayBeGone(job)) << "not listed: " << job;
    }
  }

  MixedLoad& load_;
  const int number_;
  ApiClient api_;
  std::mt19937_64 random_;
  int created_ = 0;
  std::vector<std::string> own_;  // jobs
  std::vector<std::string> pinned_;
};

MixedLoad::MixedLoad(const e2e::ServerProcess& server, const std::string& data, int clients,
                     int64_t most_open)
    : data_(data), most_open_(most_open) {
  for (int i = 0; i < clients; ++i) clients_.push_back(std::make_unique<Client>(*this, server, i));
  for (const auto& client : clients_) threads_.emplace_back([&client] { client->Run(); });
}

MixedLoad::~MixedLoad() { Stop(); }

void MixedLoad::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void MixedLoad::Settle(ApiClient& api) {
  std::mt19937_64 random = RandomFor("settle");
  for (const std::string& name : work_.Jobs()) {
    const v1::Job before = work_.LastAnswer(name);
    const absl::StatusOr<v1::Job> job = api.Get(name);
    ASSERT_TRUE(job.ok()) << "lost: " << before.DebugString() << job.status();
    work_.Answered(before, *job);
    if (client::HasEnded(job->state())) continue;
    const bool paused =
        job->state() == v1::JOB_STATE_PAUSED || job->state() == v1::JOB_STATE_PAUSING;
    // Every other one comes to its end by itself.
    if (paused || job->attempts_size() > kAttemptsToWaitFor || Draw(random, 1) == 0) {
      // It may have ended meanwhile.
      if (api.Cancel(name).ok()) work_.CancelAccepted(name);
    }
  }
  for (const std::string& name : work_.Jobs()) {
    const v1::Job before = work_.LastAnswer(name);
    work_.Answered(before, api.WaitForEnd(name));
  }
}

void MixedLoad::Check(ApiClient& api) {
  work_.Check(api, kFilter);
  std::mt19937_64 random = RandomFor("cursors");
  int succeeded = 0, tried_again = 0;
  for (const std::string& name : work_.Jobs()) {
    const v1::Job job = work_.LastAnswer(name);
    const std::vector<v1::JobEvent> history =
        ExpectWholeHistory(api.connection(), job, random(), /*cursors=*/3);
    log_.Add(name, 0, history);  // what watchers saw before a kill is the same after it
    ExpectAttemptsInOrder(job, history);
    succeeded += job.state() == v1::JOB_STATE_SUCCEEDED ? 1 : 0;
    tried_again += job.attempts_size() > 1 ? 1 : 0;
  }
  Report("jobs", absl::StrCat(work_.Jobs().size(), ", ", succeeded, " succeeded, ", tried_again,
                              " with several attempts"));
  Report("calls", absl::StrCat(calls_.load()));
}

}  // namespace acclimate::reliability
