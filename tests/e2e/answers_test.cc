// Answers arrive and are right, whatever a client or a worker sends.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/lib/error.h"
#include "client/lib/names.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/http_client.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;

constexpr size_t kMessageLimitBytes = 4 << 20;

// A call of any kind with one message of any bytes.
grpc::Status CallWith(const std::string& address, const std::string& method,
                      const std::string& bytes) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto done = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  grpc::Status status(grpc::StatusCode::UNAVAILABLE, "no call");
  if (!done()) return status;
  const grpc::Slice slice(bytes);
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  done();
  call->WritesDone(nullptr);
  done();
  grpc::ByteBuffer answer;
  do {
    call->Read(&answer, nullptr);
  } while (done());
  call->Finish(&status, nullptr);
  done();
  return status;
}

// The server's log, line by line; fails the test where a line is no JSON object.
std::vector<nlohmann::json> Lines(const ServerProcess& server) {
  std::vector<nlohmann::json> lines;
  for (absl::string_view line : absl::StrSplit(server.log(), '\n', absl::SkipEmpty())) {
    lines.push_back(nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false));
    EXPECT_TRUE(lines.back().is_object()) << line;
  }
  return lines;
}

TEST(AnswersTest, WhatIsNoMessageIsAnInvalidArgument) {
  const ServerProcess server(/*slots=*/0, {"--log-level=debug"});
  const std::map<std::string, std::string> unreadable = {
      {"no protobuf", "\xff\xff\xff\xff\xff\xff garbage"},
      {"a text that is not UTF-8", std::string("\x0a\x02\xff\xfe", 4)}};
  for (const auto& [what, bytes] : unreadable) {
    for (const char* call :
         {"JobService/CreateJob", "JobService/GetJob", "JobService/ListJobs", "JobService/WatchJob",
          "ArtifactService/GetBlob", "ArtifactService/ReadBlob", "ArtifactService/WriteUpload",
          "AdminService/SetLogLevel", "CatalogService/GetMethod"}) {
      const grpc::Status status =
          CallWith(server.address(), absl::StrCat("/acclimate.v1.", call), bytes);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
          << call << ", " << what << ": " << status.error_message();
    }
  }
  EXPECT_THAT(
      HttpGet(server.metrics_address(), "/metrics").body,
      HasSubstr("acclimate_grpc_calls_total{code=\"INVALID_ARGUMENT\",method=\"acclimate.v1."
                "JobService/GetJob\"} 2\n"));
  EXPECT_THAT(Lines(server), testing::Not(testing::IsEmpty()));
}

TEST(AnswersTest, EveryLineOfTheLogIsJsonWhateverAClientSends) {
  const ServerProcess server(/*slots=*/0);
  for (const char* bytes :
       {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x01 no TLS here\n\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\n{\"level\":\"fatal\"}"}) {
    HttpConnection connection(server.address());
    connection.Send(bytes);
    connection.Send(std::string(100'000, '\n'));
  }
  const std::string hostile = "x\n{\"level\":\"error\"}\n\t\x01";
  CallWith(server.address(), "/acclimate.v1.JobService/\n{}", hostile);
  CallWith(server.address(), "/acclimate.v1.JobService/GetJob", std::string("\x0a\x02\xff\xfe", 4));
  ApiClient api(server);
  EXPECT_EQ(api.Get(hostile).status().code(), absl::StatusCode::kInvalidArgument);
  Lines(server);
}

TEST(AnswersTest, AsManyFaultsAsThereAreAreAnAnswer) {
  const ServerProcess server(/*slots=*/0);
  ApiClient api(server);
  for (int count : {8, 1000}) {
    v1::JobSpec spec;
    spec.set_method("dann");
    for (int i = 0; i < count; ++i) SetInteger(absl::StrCat("unknown_", i), 1, &spec);
    const absl::Status status = api.Create(spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const auto violations = client::FieldViolations(status);
    ASSERT_GT(violations.size(), 3u) << status;
    if (count == 1000) {
      EXPECT_EQ(violations.back().field, "");
      EXPECT_THAT(violations.back().description, HasSubstr("more fields"));
      EXPECT_THAT(client::ErrorText(status), HasSubstr("\n  and "));
    }
  }
  v1::JobSpec spec;
  spec.set_method(std::string(100'000, '\n'));
  const absl::Status status = api.Create(spec).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("bytes left out"));
}

TEST(AnswersTest, AListOfLargeJobsComesInPages) {
  const ServerProcess server(/*slots=*/0);
  ApiClient api(server);
  v1::JobSpec spec = TrainingSpec(api.Upload(ImageDataset({.count = 20}, true)));
  for (int i = 0; i < 4096; ++i) {
    spec.mutable_normalization()->add_mean(0.5);
    spec.mutable_normalization()->add_std(0.5);
  }
  constexpr int kJobs = 80;
  for (int i = 0; i < kJobs; ++i) ASSERT_TRUE(api.Create(spec).ok());
  ASSERT_GT(kJobs * spec.ByteSizeLong(), kMessageLimitBytes);
  v1::ListJobsRequest request;
  request.set_parent(client::kDefaultParent);
  request.set_page_size(1000);
  int jobs = 0;
  do {
    auto page = api.connection().Call<v1::ListJobsResponse>(
        api.connection().jobs(), &v1::JobService::Stub::ListJobs, request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LT(page->ByteSizeLong(), kMessageLimitBytes / 2);
    jobs += page->jobs_size();
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(jobs, kJobs);

  request.set_filter(std::string(100'000, 'x'));
  EXPECT_EQ(api.connection()
                .Call<v1::ListJobsResponse>(api.connection().jobs(),
                                            &v1::JobService::Stub::ListJobs, request)
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
  spec.mutable_model()->set_architecture(std::string(300'000, 'x'));
  EXPECT_THAT(std::string(api.Create(spec).status().message()), HasSubstr("at most 262144"));
}

class ScriptedWorkerTest : public testing::Test {
 protected:
  // A server whose workers do what `script` says.
  std::unique_ptr<ServerProcess> ServerWith(const std::string& script) {
    const std::string worker = folder_.File("worker-" + script);
    std::filesystem::create_symlink(SCRIPTED_WORKER, worker);
    return std::make_unique<ServerProcess>(1, std::vector<std::string>{"--worker=" + worker});
  }
  v1::Job RunOneJob(const ServerProcess& server) {
    ApiClient api(server);
    const auto job = api.Create(TrainingSpec(api.Upload(ImageDataset({.count = 20}, true))));
    EXPECT_TRUE(job.ok()) << job.status();
    return api.WaitForEnd(job->name());
  }

  const TemporaryFolder folder_;
};

TEST_F(ScriptedWorkerTest, AWarningBeyondAMessageEndsTheWorker) {
  const auto server = ServerWith("large-warnings");
  const v1::Job job = RunOneJob(*server);
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(job.error().message(), HasSubstr("broke the protocol"));
  EXPECT_LT(job.ByteSizeLong(), 20'000u);
}

TEST_F(ScriptedWorkerTest, LongWarningsAreCut) {
  const auto server = ServerWith("many-warnings");
  const v1::Job job = RunOneJob(*server);
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.ShortDebugString().substr(0, 1000);
  EXPECT_EQ(job.result().warnings_size(), 101);
  EXPECT_THAT(job.result().warnings(0), HasSubstr("bytes left out"));
  EXPECT_LT(job.ByteSizeLong(), 300'000u);
  EXPECT_LT(std::filesystem::file_size(server->data_folder() + "/jobs.sqlite"), 10u << 20);
}

TEST_F(ScriptedWorkerTest, MetricsWithLongNamesEndTheWorker) {
  const auto server = ServerWith("many-metrics");
  const v1::Job job = RunOneJob(*server);
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(job.error().message(), HasSubstr("too long a name"));
}

}  // namespace
}  // namespace acclimate::e2e
