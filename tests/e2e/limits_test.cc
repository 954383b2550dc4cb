// What one client or one tenant may take, and what the server says when it is more.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/lib/error.h"
#include "client/lib/names.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/http_client.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;

TEST(LimitsTest, AClientHasSoManyStreamsAtATime) {
  const ServerProcess server(/*slots=*/0, {"--streams-per-client=2"});
  ApiClient api(server);
  const auto job = api.Create(TrainingSpec(api.Upload(ImageDataset({.count = 20}, true))));
  ASSERT_TRUE(job.ok()) << job.status();
  v1::WatchJobRequest request;
  request.set_name(job->name());

  struct Watch {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> reader;
  };
  const auto watch = [&] {
    auto made = std::make_unique<Watch>();
    made->reader = api.connection().jobs().WatchJob(&made->context, request);
    return made;
  };
  v1::WatchJobResponse event;
  const auto first = watch(), second = watch();
  ASSERT_TRUE(first->reader->Read(&event) && second->reader->Read(&event));
  const auto third = watch();
  EXPECT_FALSE(third->reader->Read(&event));
  const absl::Status refused = client::FromGrpc(third->reader->Finish());
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_TRUE(client::RetryDelay(refused).has_value());
  EXPECT_TRUE(api.Get(job->name()).ok()) << "other calls go on";
  EXPECT_THAT(HttpGet(server.metrics_address(), "/metrics").body,
              HasSubstr("acclimate_limited_calls_total{limit=\"streams\"} 1\n"));

  first->context.TryCancel();
  first->reader->Finish();
  EXPECT_TRUE(WaitUntil([&] {
    const auto fourth = watch();
    const bool open = fourth->reader->Read(&event);
    fourth->context.TryCancel();
    fourth->reader->Finish();
    return open;
  }));
}

TEST(LimitsTest, AnAddressHasSoManyConnectionsAtATime) {
  const ServerProcess server(/*slots=*/0, {"--connections-per-client=5"});
  ApiClient api(server);
  EXPECT_TRUE(api.List().empty());
  std::vector<HttpConnection> idle;
  idle.reserve(20);
  for (int i = 0; i < 20; ++i) idle.emplace_back(server.address());
  const auto open = [&idle] {
    return std::count_if(idle.begin(), idle.end(), [](const HttpConnection& connection) {
      return connection.connected() && !connection.ClosedByServer();
    });
  };
  EXPECT_TRUE(WaitUntil([&] { return open() == 4; })) << open();
  EXPECT_TRUE(api.List().empty()) << "the connection that was there goes on";
  EXPECT_THAT(HttpGet(server.metrics_address(), "/metrics").body,
              HasSubstr("acclimate_limited_calls_total{limit=\"connections\"} 16\n"));
  idle.clear();
  EXPECT_TRUE(WaitUntil([&] {
    const HttpConnection later(server.address());
    absl::SleepFor(absl::Milliseconds(50));
    return later.connected() && !later.ClosedByServer();
  })) << "those that ended make room";
}

TEST(LimitsTest, ATenantMakesSoManyCallsASecond) {
  const ServerProcess server(/*slots=*/0, {"--tenant-call-rate=10"});
  const auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::JobService::NewStub(channel);
  v1::ListJobsRequest request;
  request.set_parent(client::kDefaultParent);
  absl::Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    grpc::ClientContext context;
    v1::ListJobsResponse response;
    status = client::FromGrpc(stub->ListJobs(&context, request, &response));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_LE(client::RetryDelay(status).value_or(absl::Hours(1)), absl::Milliseconds(100));
  // The client's library waits as long as it is told to.
  ApiClient api(server);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(api.List().empty());
}

}  // namespace
}  // namespace acclimate::e2e
