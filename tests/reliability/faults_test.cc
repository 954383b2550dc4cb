// The n-th call on a file fails, and the wall clock jumps.
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/names.h"
#include "client/lib/uploader.h"
#include "google/protobuf/empty.pb.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/fault_injection.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;
using e2e::WaitUntil;

constexpr int kErrors[] = {EIO, ENOSPC, EMFILE, ENOMEM};

class NthCallTest : public testing::Test {
 protected:
  void SetUp() override { faults_.SetFolder(server_.data_folder()); }

  // One of each call that writes, or that needs a file. Returns whether all of them went well.
  bool Write(client::Connection& connection, uint64_t number) {
    bool well = true;
    const auto check = [&](const char* what, const absl::Status& status) {
      EXPECT_TRUE(status.ok() || absl::IsUnavailable(status) || absl::IsResourceExhausted(status))
          << what << ": " << status;
      well &= status.ok();
      return status.ok();
    };
    e2e::WriteFile(files_.File("new"), e2e::RandomBytes(20'000, number));
    const auto uploaded = client::Uploader(connection).Upload({files_.File("new")});
    if (!check("upload", uploaded.status())) return false;
    const std::string blob = uploaded->front().blob;
    check("read", ReadBlob(connection, blob).status());
    v1::CreateJobRequest create;
    create.set_parent(client::kDefaultParent);
    *create.mutable_spec() = e2e::TrainingSpec(blob);
    create.set_request_id(absl::StrCat(number));
    const auto job =
        connection.Call<v1::Job>(connection.jobs(), &v1::JobService::Stub::CreateJob, create);
    if (!check("create", job.status())) return false;
    kept_[job->name()] = blob;
    v1::GetJobRequest get;
    get.set_name(job->name());
    check("get",
          connection.Call<v1::Job>(connection.jobs(), &v1::JobService::Stub::GetJob, get).status());
    if (number % 2 == 0) return well;
    v1::CancelJobRequest cancel;
    cancel.set_name(job->name());
    const auto cancelled =
        connection.Call<v1::Job>(connection.jobs(), &v1::JobService::Stub::CancelJob, cancel);
    if (!check("cancel", cancelled.status())) return false;
    v1::DeleteJobRequest remove;
    remove.set_name(job->name());
    kept_.erase(job->name());
    check("delete", connection
                        .Call<google::protobuf::Empty>(connection.jobs(),
                                                       &v1::JobService::Stub::DeleteJob, remove)
                        .status());
    return well;
  }

  std::unique_ptr<client::Connection> Connect() const {
    client::ConnectionOptions options;
    options.server = server_.address();
    options.first_contact_patience = options.reconnect_patience = absl::ZeroDuration();
    return std::make_unique<client::Connection>(options);
  }

  // I1 and I4, after a kill.
  void CheckKept() {
    server_.Kill();
    server_.Start();
    ApiClient api(server_);
    for (const auto& [job, blob] : kept_) {
      EXPECT_TRUE(api.Get(job).ok()) << "lost: " << job;
      EXPECT_TRUE(ReadBlob(api.connection(), blob).ok()) << "lost: " << blob;
    }
  }

  FaultInjection faults_;
  const e2e::TemporaryFolder files_;
  ServerProcess server_{/*slots=*/0, {"--log-level=error", "--min-free-disk-bytes=0"}};
  std::map<std::string, std::string> kept_;  // acknowledged job -> its blob
};

TEST_F(NthCallTest, OfARunningServerIsAnAnswer) {
  // Spread over the first 200.
  constexpr int64_t kCalls = 200;
  const int64_t calls = Count(50, 20'000);
  const int64_t stride = std::max<int64_t>(1, kCalls / calls);
  std::mt19937_64 random = RandomFor("calls");
  uint64_t number = 0;
  std::string failed;
  for (const int error : kErrors) {
    int64_t refused = 0;
    const auto connection = Connect();
    for (int64_t i = 0; i < calls; ++i) {
      const int64_t n = (i * stride + Draw(random, stride - 1)) % kCalls;
      SCOPED_TRACE(absl::StrCat("call ", n, " fails: ", std::strerror(error)));
      faults_.FailAfter(n, error);
      bool well = true;
      // Until the plan has come to its end; some calls need few files.
      for (int again = 0; again < 10 && well; ++again) well = Write(*connection, ++number);
      faults_.Stop();
      refused += well ? 0 : 1;
      EXPECT_TRUE(Write(*connection, ++number)) << "it does not recover";
      if (HasFailure()) return;
    }
    absl::StrAppend(&failed, " ", strerrorname_np(error), " ", refused);
    CheckKept();
  }
  Report("failed calls", absl::StrCat(4 * calls, "; seen by a client:", failed));
}

TEST_F(NthCallTest, OfAServerThatStartsIsACleanExit) {
  Write(*Connect(), 0);
  int64_t ended = 0;
  const int64_t calls = Count(30, 300);
  for (const int error : kErrors) {
    for (int64_t n = 0; n < calls; ++n) {
      SCOPED_TRACE(absl::StrCat("call ", n, " fails: ", std::strerror(error)));
      server_.Kill();
      faults_.FailAfter(n, error);
      const bool started = server_.TryStart();
      faults_.Stop();
      if (started) continue;
      ++ended;
      EXPECT_EQ(server_.WaitForExit(), 1);
      EXPECT_TRUE(absl::StrContains(server_.log(), server_.data_folder()) ||
                  absl::StrContains(server_.log(), "job store"))
          << server_.log();
      server_.Start();
    }
  }
  CheckKept();
  Report("starts", absl::StrCat(4 * calls, ", of which ", ended, " were a clean exit"));
}

// Waits until the server's clock is so far from ours: it looks at the system's every few seconds,
// and counts cycles in between.
void WaitForClock(ApiClient& api, const std::string& data, absl::Duration offset) {
  v1::JobSpec spec = e2e::TrainingSpec(data);
  spec.set_priority(-1);  // behind the one that is watched
  EXPECT_TRUE(WaitUntil([&] {
    const absl::StatusOr<v1::Job> job = api.Create(spec);
    EXPECT_TRUE(job.ok() && api.Cancel(job->name()).ok());
    absl::SleepFor(absl::Milliseconds(100));
    const absl::Time created = absl::FromUnixSeconds(job->create_time().seconds());
    return absl::AbsDuration(created - absl::Now() - offset) < absl::Minutes(5);
  }));
}

// Nothing that counts elapsed time asks the wall clock.
TEST(ClockTest, JumpsEndNothing) {
  std::mt19937_64 random = RandomFor("clock");
  FaultInjection faults;
  ServerProcess server(/*slots=*/1, {"--checkpoint-interval=10ms", "--max-retries=1000"});
  ApiClient api(server);
  const std::string data = api.Upload(e2e::ImageDataset({}, true));
  v1::JobSpec spec = e2e::EndlessSpec(data);
  spec.mutable_limits()->mutable_run_time()->set_seconds(3600);
  const std::string job = api.Create(spec)->name();
  api.WaitForStep(job);
  const int64_t jumps = Count(10, 500);
  int attempts = 1;
  for (int64_t i = 0; i < jumps; ++i) {
    // A worker that dies at the jump is tried again after a wait.
    const bool dies = i % 3 == 2;
    if (dies) {
      for (const pid_t worker : server.WorkersOn(data)) kill(worker, SIGKILL);
      WaitUntil([&] { return api.Get(job)->state() == v1::JOB_STATE_QUEUED; });
      ++attempts;
    }
    // At most two hours from the true time: blobs that no job names stay for six.
    const absl::Duration offset = absl::Seconds(Draw(random, 14'400) - 7'200);
    faults.MoveClock(offset);
    WaitForClock(api, data, offset);
    const int64_t step = dies ? 0 : api.Get(job)->progress().step();
    api.WaitForStep(job, step + 1);
    const v1::Job now = *api.Get(job);
    ASSERT_EQ(now.state(), v1::JOB_STATE_RUNNING) << now.DebugString();
    ASSERT_EQ(now.attempts_size(), attempts) << now.DebugString();
    // What nobody names yet stays.
    EXPECT_TRUE(api.HasBlob(api.Upload(e2e::RandomBytes(1000, random()))));
  }
  ASSERT_TRUE(api.Cancel(job).ok());
  EXPECT_EQ(api.WaitForEnd(job).state(), v1::JOB_STATE_CANCELLED);
  Report("jumps", absl::StrCat(jumps, " of up to two hours, ", attempts, " attempts"));
}

}  // namespace
}  // namespace acclimate::reliability
