// A crowd: thousands of watchers, some of whom read nothing, uploads that hardly move, and
// connections that say nothing. Everybody else is served as before.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "acclimate/v1/artifact_service.grpc.pb.h"
#include "acclimate/v1/job_service.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/sha256.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/http_client.h"
#include "tests/job_watchers.h"
#include "tests/process_usage.h"
#include "tests/reliability/health_probe.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;

constexpr int kStreamsOfAChannel = 200;
constexpr int64_t kMostBytes = int64_t{300} << 20;
constexpr int64_t kMostThreadsOfWatchers = 64;
constexpr absl::Duration kLatency = absl::Milliseconds(50);  // p99, of the long form

// Sends the first bytes of an upload, and no more.
class SlowUpload final : public grpc::ClientWriteReactor<v1::WriteUploadRequest> {
 public:
  SlowUpload(v1::ArtifactService::Stub& stub, const std::string& upload,
             absl::BlockingCounter& begun, absl::BlockingCounter& ended)
      : begun_(begun), ended_(ended) {
    request_.set_name(upload);
    request_.set_data("slow");
    request_.set_crc32c(artifacts::Crc32c(request_.data()));
    stub.async()->WriteUpload(&context_, &response_, this);
    AddHold();
    StartWrite(&request_);
    StartCall();
  }
  void OnWriteDone(bool) override { begun_.DecrementCount(); }
  void Cancel() {
    context_.TryCancel();
    RemoveHold();
  }
  void OnDone(const grpc::Status&) override { ended_.DecrementCount(); }

 private:
  absl::BlockingCounter& begun_;
  absl::BlockingCounter& ended_;
  grpc::ClientContext context_;
  v1::WriteUploadRequest request_;
  v1::Upload response_;
};

class CrowdTest : public testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> NewChannel() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server_.address(), grpc::InsecureChannelCredentials(),
                                     arguments);
  }
  std::string Submit(const v1::JobSpec& spec) {
    const absl::StatusOr<v1::Job> job = api_.Create(spec);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }
  std::string NewUpload(const std::string& content) {
    const auto upload = api_.CreateUpload(artifacts::Sha256Of(content), int64_t{1} << 20);
    EXPECT_TRUE(upload.ok()) << upload.status();
    return upload.ok() ? upload->name() : "";
  }
  // What others ask meanwhile.
  void ExpectServed() {
    EXPECT_TRUE(api_.Get(first_).ok());
    EXPECT_FALSE(api_.List().empty());
    EXPECT_TRUE(api_.HasBlob(data_));
    const std::string job = Submit(e2e::TrainingSpec(data_, 1));
    EXPECT_TRUE(api_.Cancel(job).ok());
    api_.Upload(e2e::RandomBytes(1000, ++uploaded_));
  }

  ServerProcess server_{/*slots=*/1, {"--streams-per-client=0"}};
  ApiClient api_{server_};
  const std::string data_ = api_.Upload(e2e::ImageDataset({}, true));
  // Holds the slot until all watch the next one.
  const std::string first_ = Submit(e2e::EndlessSpec(data_));
  uint64_t uploaded_ = 0;
};

TEST_F(CrowdTest, EverybodyElseIsServed) {
  constexpr int kDeaf = 200, kUploads = 300, kSilent = 400;
  const int watchers = static_cast<int>(Count(2000, 2000)) - kDeaf;
  v1::WatchJobRequest watch;
  watch.set_name(Submit(e2e::TrainingSpec(data_, RunOptions().long_form ? 1000 : 20)));
  const ProcessUsage before = *UsageOf(server_.pid());
  const HealthProbe health(server_);

  std::vector<HttpConnection> silent;
  std::vector<std::unique_ptr<v1::JobService::Stub>> stubs;
  std::vector<std::unique_ptr<JobReader>> readers;
  std::vector<std::unique_ptr<DeafWatcher>> deaf;
  absl::BlockingCounter begun(watchers), ended(watchers), deaf_ended(kDeaf);
  for (int i = 0; i < watchers + kDeaf; ++i) {
    if (i % kStreamsOfAChannel == 0) stubs.push_back(v1::JobService::NewStub(NewChannel()));
    if (i < watchers) {
      readers.push_back(std::make_unique<JobReader>(*stubs.back(), watch, begun, ended));
    } else {
      deaf.push_back(std::make_unique<DeafWatcher>(*stubs.back(), watch, deaf_ended));
    }
  }
  begun.Wait();
  const ProcessUsage watched = *UsageOf(server_.pid());
  EXPECT_LE(watched.threads - before.threads, kMostThreadsOfWatchers) << "none for each watcher";

  for (int i = 0; i < kSilent; ++i) silent.emplace_back(server_.address());
  std::vector<std::unique_ptr<v1::ArtifactService::Stub>> upload_stubs;
  std::vector<std::unique_ptr<SlowUpload>> uploads;
  absl::BlockingCounter uploads_begun(kUploads), uploads_ended(kUploads);
  for (int i = 0; i < kUploads; ++i) {
    if (i % kStreamsOfAChannel == 0) {
      upload_stubs.push_back(v1::ArtifactService::NewStub(NewChannel()));
    }
    uploads.push_back(std::make_unique<SlowUpload>(
        *upload_stubs.back(), NewUpload(absl::StrCat("slow ", i)), uploads_begun, uploads_ended));
  }
  uploads_begun.Wait();
  ExpectServed();
  ASSERT_TRUE(api_.Cancel(first_).ok());
  ended.Wait();
  ExpectServed();
  const ProcessUsage after = *UsageOf(server_.pid());
  EXPECT_LT(after.resident_bytes, kMostBytes);

  std::vector<absl::Duration> latencies;
  const int64_t last = api_.Get(watch.name())->last_cursor();
  for (const auto& reader : readers) {
    EXPECT_TRUE(reader->status().ok()) << reader->status().error_message();
    EXPECT_EQ(reader->out_of_order(), 0);
    EXPECT_EQ(reader->cursor(), last);
    latencies.insert(latencies.end(), reader->states().begin(), reader->states().end());
  }
  for (const auto& watcher : deaf) watcher->Cancel();
  for (const auto& upload : uploads) upload->Cancel();
  deaf_ended.Wait();
  uploads_ended.Wait();

  ASSERT_FALSE(latencies.empty());
  const absl::Duration p99 = Percentile(latencies, 0.99);
  if (RunOptions().long_form) {
    EXPECT_LE(p99, kLatency);
  }
  Report("state event until a watcher has it, p99", absl::FormatDuration(p99));
  Report("server with the crowd",
         absl::StrCat(after.resident_bytes >> 20, " MiB, ", after.threads, " threads, of which ",
                      watched.threads, " with the watchers alone"));
}

}  // namespace
}  // namespace acclimate::reliability
