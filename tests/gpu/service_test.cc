// The service on a machine with a GPU: slots share it, and the sandbox lets CUDA work and nothing
// else.
#include <unistd.h>

#include "acclimate/v1/admin_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

class GpuServiceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { there_ = access("/dev/nvidiactl", F_OK) == 0; }
  void SetUp() override {
    if (!there_) GTEST_SKIP() << "there is no GPU";
  }
  static bool there_;
};
bool GpuServiceTest::there_ = false;

TEST_F(GpuServiceTest, TwoSlotsTrainOnOneDeviceAtOnce) {
  ServerProcess server(/*slots=*/2, {"--device=cuda:0"});
  ApiClient api(server);
  std::vector<std::string> jobs;
  for (uint64_t seed : {1, 2}) {
    const std::string data = api.Upload(ImageDataset({.seed = seed}, true));
    const absl::StatusOr<v1::Job> job = api.Create(EndlessSpec(data));
    ASSERT_TRUE(job.ok()) << job.status();
    jobs.push_back(job->name());
  }
  // Both are at work before either ends.
  for (const std::string& job : jobs) api.WaitForStep(job, 2);
  for (const std::string& job : jobs) {
    EXPECT_EQ(api.Get(job).value().state(), v1::JOB_STATE_RUNNING);
    EXPECT_TRUE(api.Cancel(job).ok());
    EXPECT_EQ(api.WaitForEnd(job).state(), v1::JOB_STATE_CANCELLED);
  }
}

TEST_F(GpuServiceTest, TheSandboxIsWholeWithCudaInIt) {
  ServerProcess server(/*slots=*/1, {"--device=cuda"});
  ApiClient api(server);
  const std::string data = api.Upload(ImageDataset({}, true));
  const absl::StatusOr<v1::Job> job = api.Create(TrainingSpec(data, 2));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(api.WaitForEnd(job->name()).state(), v1::JOB_STATE_SUCCEEDED) << server.log();
  const absl::StatusOr<v1::ServerInfo> info = api.connection().Call<v1::ServerInfo>(
      api.connection().admin(), &v1::AdminService::Stub::GetServerInfo, v1::GetServerInfoRequest());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_THAT(info->device(), testing::StartsWith("cuda"));
  for (const auto& [measure, state] : info->sandbox()) EXPECT_EQ(state, "on") << measure;
}

}  // namespace
}  // namespace acclimate::e2e
