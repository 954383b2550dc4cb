// Tenants and priorities: who runs next, what one may take, and who makes room.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/lib/error.h"
#include "client/lib/names.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "server/artifacts/sha256.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/http_client.h"

namespace acclimate::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Metrics(const ServerProcess& server) {
  return HttpGet(server.metrics_address(), "/metrics").body;
}

std::string ModelOf(const v1::Job& job) {
  for (const v1::OutputFile& file : job.result().files()) {
    if (file.name().rfind("model.", 0) == 0) return file.blob();
  }
  return "no model: " + job.DebugString();
}

int64_t Nanoseconds(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000'000 + time.nanos();
}

// A server whose one token is good for every tenant.
class ServerOfTenants {
 public:
  ServerOfTenants(int slots, std::vector<std::string> flags) {
    WriteFile(folder_.File("token"), kToken);
    WriteFile(folder_.File("access"),
              absl::StrCat("tests token-sha256:", artifacts::Sha256Of(kToken), " *:admin\n"));
    flags.push_back("--access-file=" + folder_.File("access"));
    server_ = std::make_unique<ServerProcess>(slots, flags);
  }
  const ServerProcess& process() const { return *server_; }
  std::unique_ptr<client::Connection> Connect(const std::string& tenant) const {
    client::ConnectionOptions options;
    options.server = server_->address();
    options.tenant = tenant;
    options.credentials.token = kToken;
    return std::make_unique<client::Connection>(options);
  }
  std::vector<std::string> CliOptions(const std::string& tenant) const {
    return {"--token-file", folder_.File("token"), "--tenant", tenant};
  }

 private:
  static constexpr char kToken[] = "of-the-fairness-tests";

  const TemporaryFolder folder_;
  std::unique_ptr<ServerProcess> server_;
};

// A command of the CLI, in the background.
class Command {
 public:
  Command(const ServerProcess& server, std::vector<std::string> arguments,
          const std::vector<std::string>& options = {}) {
    arguments.insert(arguments.begin(), options.begin(), options.end());
    arguments.insert(arguments.begin(), {ACCLIMATE_CLI, "--server", server.address()});
    process_ = std::make_unique<ChildProcess>(arguments, folder_.File("cli"));
  }
  int Wait() { return process_->Wait().value_or(-1); }
  bool Running() { return process_->Running(); }
  std::string out() const { return process_->Stdout(); }
  std::string err() const { return process_->Stderr(); }

 private:
  const TemporaryFolder folder_;
  std::unique_ptr<ChildProcess> process_;
};

TEST(FairnessTest, AFloodOfOneTenantDoesNotKeepAnotherWaiting) {
  const ServerOfTenants server(/*slots=*/1, {});
  ApiClient flood(server.Connect("flood")), small(server.Connect("small"));
  const std::string data = ImageDataset({.count = 20}, true);
  const std::string flood_data = flood.Upload(data), small_data = small.Upload(data);
  const std::string first = flood.Create(EndlessSpec(flood_data))->name();
  flood.WaitForStep(first);
  std::vector<std::string> flooded;
  for (int i = 0; i < 5; ++i) flooded.push_back(flood.Create(TrainingSpec(flood_data, 1))->name());
  const std::string job = small.Create(TrainingSpec(small_data, 1))->name();
  ASSERT_TRUE(flood.Cancel(first).ok());
  const v1::Job ended = small.WaitForEnd(job);
  EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
  for (const std::string& other : flooded) {
    EXPECT_GT(Nanoseconds(flood.WaitForEnd(other).start_time()), Nanoseconds(ended.start_time()));
  }
}

TEST(FairnessTest, ATenantRunsSoManyJobsAtATimeAndTheNextSaysWhyItWaits) {
  const ServerOfTenants server(/*slots=*/2, {"--tenant-max-running=1"});
  ApiClient api(server.Connect("default")), other(server.Connect("other"));
  const std::string data = ImageDataset({.count = 20}, true);
  const std::string blob = api.Upload(data);
  const std::string running = api.Create(EndlessSpec(blob))->name();
  api.WaitForStep(running);
  const std::string waits = api.Create(TrainingSpec(blob, 1))->name();
  // Of another tenant the free slot takes a job.
  EXPECT_EQ(other.WaitForEnd(other.Create(TrainingSpec(other.Upload(data), 1))->name()).state(),
            v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(api.Get(waits)->state(), v1::JOB_STATE_QUEUED);
  EXPECT_THAT(api.Get(waits)->queue_reason(), HasSubstr("tenants/default runs 1 jobs"));
  Command get(server.process(), {"jobs", "get", std::string(client::LastSegment(waits))},
              server.CliOptions("default"));
  EXPECT_EQ(get.Wait(), 0);
  EXPECT_THAT(get.out(), HasSubstr("waits    tenants/default runs 1 jobs, which is the most"));
  ASSERT_TRUE(api.Cancel(running).ok());
  EXPECT_EQ(api.WaitForEnd(waits).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(FairnessTest, AFullQueueRefusesAndTheCommandLineWaitsForAPlace) {
  const ServerProcess server(/*slots=*/0, {"--tenant-max-queued=2"});
  ApiClient api(server);
  const std::string bytes = ImageDataset({.count = 20}, true);
  const std::string data = api.Upload(bytes);
  const std::string first = api.Create(TrainingSpec(data))->name();
  ASSERT_TRUE(api.Create(TrainingSpec(data)).ok());

  const auto stub = v1::JobService::NewStub(
      grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
  v1::CreateJobRequest request;
  request.set_parent(client::kDefaultParent);
  *request.mutable_spec() = TrainingSpec(data);
  grpc::ClientContext context;
  v1::Job job;
  const absl::Status refused = client::FromGrpc(stub->CreateJob(&context, request, &job));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("tenants/default has 2 queued jobs"), HasSubstr("at most 2")));
  EXPECT_EQ(client::RetryDelay(refused), absl::Seconds(5));
  EXPECT_THAT(Metrics(server), HasSubstr("acclimate_limited_calls_total{limit=\"queued_jobs\"} 1"));

  const TemporaryFolder folder;
  WriteFile(folder.File("data.safetensors"), bytes);
  Command train(server, {"train", "--architecture", "lenet", "--data",
                         folder.File("data.safetensors"), "--detach"});
  ASSERT_TRUE(WaitUntil([&] {
    return !train.Running() ||
           Metrics(server).find("acclimate_limited_calls_total{limit=\"queued_jobs\"} 2") !=
               std::string::npos;
  }));
  ASSERT_TRUE(train.Running()) << train.err();
  ASSERT_TRUE(api.Cancel(first).ok());
  EXPECT_EQ(train.Wait(), 0) << train.err();
  EXPECT_EQ(api.List("state=QUEUED").size(), 2u);
}

TEST(FairnessTest, ATenantStoresNoMoreThanItMay) {
  const TemporaryFolder folder;
  WriteFile(folder.File("tenants"), "default max-stored-bytes=1MiB\n");
  const ServerOfTenants server(/*slots=*/0, {"--tenants-file", folder.File("tenants")});
  const auto put = [&](const std::string& tenant, const std::string& file) {
    return Command(server.process(), {"blobs", "put", folder.File(file)},
                   server.CliOptions(tenant));
  };
  WriteFile(folder.File("small"), RandomBytes(600'000, 1));
  WriteFile(folder.File("large"), RandomBytes(600'000, 2));
  Command small = put("default", "small");
  EXPECT_EQ(small.Wait(), 0) << small.err();
  Command large = put("default", "large");
  EXPECT_NE(large.Wait(), 0);
  EXPECT_THAT(large.err(), AllOf(HasSubstr("tenants/default stores 600000 bytes"),
                                 HasSubstr("with the 600000 bytes of this one"),
                                 HasSubstr("more than the 1048576")));
  Command again = put("default", "small");
  EXPECT_EQ(again.Wait(), 0) << "what is there needs no room: " << again.err();
  Command other = put("other", "large");
  EXPECT_EQ(other.Wait(), 0) << other.err();
  EXPECT_THAT(Metrics(server.process()),
              HasSubstr("acclimate_limited_calls_total{limit=\"stored_bytes\"} 1"));
}

TEST(FairnessTest, AJobThatMadeRoomGoesOnWhereItWas) {
  // No state is saved in between: the one to go on from is that of the preemption.
  const ServerProcess server(/*slots=*/1, {"--preempt", "--checkpoint-interval=1h"});
  ApiClient api(server);
  const std::string data = api.Upload(ImageDataset({}, true));
  const std::string low = api.Create(TrainingSpec(data, 40))->name();
  api.WaitForStep(low);
  v1::JobSpec urgent = TrainingSpec(data, 1);
  urgent.set_priority(5);
  const v1::Job high = api.WaitForEnd(api.Create(urgent)->name());
  EXPECT_EQ(high.state(), v1::JOB_STATE_SUCCEEDED);
  const v1::Job ended = api.WaitForEnd(low);
  EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
  ASSERT_EQ(ended.attempts_size(), 2) << ended.DebugString();
  EXPECT_EQ(ended.attempts(0).cause(), v1::ATTEMPT_CAUSE_PREEMPTED);
  EXPECT_GT(ended.attempts(1).resumed_from_step(), 0);
  EXPECT_LT(Nanoseconds(high.end_time()), Nanoseconds(ended.end_time()));
  EXPECT_GE(Nanoseconds(high.start_time()), Nanoseconds(ended.attempts(0).end_time()));
  EXPECT_THAT(Metrics(server), HasSubstr("acclimate_preemptions_total 1\n"));
  const v1::Job straight = api.WaitForEnd(api.Create(TrainingSpec(data, 40))->name());
  EXPECT_EQ(straight.attempts_size(), 1);
  EXPECT_EQ(ModelOf(ended), ModelOf(straight));
}

TEST(FairnessTest, WhatAJobNeededIsWhatTheNextReserves) {
  const ServerProcess server(/*slots=*/2, {"--memory-for-jobs=8GiB"});
  ApiClient api(server);
  const std::string data = api.Upload(ImageDataset({}, true));
  const v1::Job first = api.WaitForEnd(api.Create(TrainingSpec(data, 3))->name());
  ASSERT_EQ(first.attempts_size(), 1);
  const int64_t peak = first.attempts(0).peak_memory_bytes();
  EXPECT_GT(peak, int64_t{16} << 20);
  EXPECT_LT(peak, int64_t{2} << 30);
  const std::string next = api.Create(EndlessSpec(data))->name();
  api.WaitForStep(next);
  EXPECT_THAT(Metrics(server),
              HasSubstr(absl::StrCat("acclimate_reserved_memory_bytes ", peak + peak / 4, "\n")));
  ASSERT_TRUE(api.Cancel(next).ok());
  api.WaitForEnd(next);
  EXPECT_THAT(Metrics(server), HasSubstr("acclimate_reserved_memory_bytes 0\n"));
}

}  // namespace
}  // namespace acclimate::e2e
