// A worker runs in the whole sandbox or not at all, and takes so much of the machine.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/http_client.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;

class WorkerLimitsTest : public testing::Test {
 protected:
  std::unique_ptr<ServerProcess> ServerWith(const std::string& script,
                                            std::vector<std::string> flags) {
    const std::string worker = folder_.File("worker-" + script);
    std::filesystem::create_symlink(SCRIPTED_WORKER, worker);
    flags.push_back("--worker=" + worker);
    return std::make_unique<ServerProcess>(1, flags);
  }
  static std::string Submit(ApiClient& api) {
    const auto job = api.Create(TrainingSpec(api.Upload(ImageDataset({.count = 20}, true))));
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }
  static v1::ServerInfo Info(ApiClient& api) {
    auto info = api.connection().Call<v1::ServerInfo>(api.connection().admin(),
                                                      &v1::AdminService::Stub::GetServerInfo,
                                                      v1::GetServerInfoRequest());
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? *info : v1::ServerInfo();
  }

  const TemporaryFolder folder_;
};

TEST_F(WorkerLimitsTest, WithoutLandlockOrSeccompNoJobRuns) {
  for (const std::string measure : {"landlock", "seccomp"}) {
    const auto server = ServerWith("without-" + measure, {"--require-sandbox=true"});
    ApiClient api(*server);
    const std::string job = Submit(api);
    ASSERT_TRUE(WaitUntil([&] { return !Info(api).worker_start_error().empty(); }));
    const v1::ServerInfo info = Info(api);
    EXPECT_THAT(info.worker_start_error(), HasSubstr(measure + " is off: this kernel lacks it"));
    EXPECT_THAT(info.worker_start_error(), HasSubstr("--require-sandbox=false"));
    EXPECT_EQ(info.warm_workers(), 0);
    EXPECT_EQ(info.sandbox().at(measure), "off: this kernel lacks it");
    EXPECT_EQ(api.Get(job)->state(), v1::JOB_STATE_QUEUED);
    EXPECT_THAT(HttpGet(server->metrics_address(), "/metrics").body,
                HasSubstr("acclimate_worker_sandbox{measure=\"" + measure + "\"} 0\n"));
    EXPECT_THAT(server->log(), HasSubstr("--require-sandbox=false"));
  }
}

TEST_F(WorkerLimitsTest, UnlessTheOperatorSaysSo) {
  const auto server = ServerWith("without-landlock", {"--require-sandbox=false"});
  ApiClient api(*server);
  EXPECT_EQ(api.WaitForEnd(Submit(api)).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(WorkerLimitsTest, OnThisMachineTheSandboxIsComplete) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizer's own thread keeps landlock from being closed";
#endif
  const ServerProcess server(1);
  ApiClient api(server);
  ASSERT_TRUE(WaitUntil([&] { return Info(api).warm_workers() == 1; }));
  for (const char* measure : {"no_new_privs", "landlock", "seccomp"}) {
    EXPECT_EQ(Info(api).sandbox().at(measure), "on") << measure;
  }
  EXPECT_THAT(HttpGet(server.metrics_address(), "/metrics").body,
              HasSubstr("acclimate_worker_sandbox{measure=\"landlock\"} 1\n"));
}

TEST_F(WorkerLimitsTest, AWorkerWithTooManyThreadsIsEnded) {
  const auto server = ServerWith("many-threads", {"--job-thread-limit=50"});
  ApiClient api(*server);
  const v1::Job job = api.WaitForEnd(Submit(api));
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.error().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(job.error().message(), HasSubstr("--job-thread-limit"));
}

TEST_F(WorkerLimitsTest, AWorkerThatWritesTooMuchIsEnded) {
  const auto server = ServerWith("large-files", {"--job-scratch-limit=16MiB"});
  ApiClient api(*server);
  const v1::Job job = api.WaitForEnd(Submit(api));
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.error().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(job.error().message(), HasSubstr("--job-scratch-limit"));
  EXPECT_TRUE(WaitUntil([&] {
    return std::filesystem::is_empty(server->data_folder() + "/scratch") ||
           Info(api).warm_workers() == 1;
  })) << "its files are gone";
}

TEST_F(WorkerLimitsTest, AWorkerWithTooMuchMemoryIsEndedByTheLimitThatItsErrorNames) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory is beyond any limit";
#endif
  for (const std::string script : {"much-memory", "no-memory"}) {
    const auto server = ServerWith(script, {"--job-memory-limit=64MiB"});
    ApiClient api(*server);
    const v1::Job job = api.WaitForEnd(Submit(api));
    EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
    EXPECT_EQ(job.error().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(job.error().message(), HasSubstr("it may use 67108864 (--job-memory-limit)"));
    EXPECT_EQ(job.attempts_size(), 2) << "it is tried once more";
    EXPECT_EQ(job.attempts(0).cause(), v1::ATTEMPT_CAUSE_OUT_OF_MEMORY);
  }
}

TEST_F(WorkerLimitsTest, TheFilesThatAJobReadsAreNotItsMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory is beyond any limit";
#endif
  constexpr int64_t kSamples = 20'000, kFeatures = 5'000;  // 400 MB
  const ServerProcess server(1, {"--job-memory-limit=384MiB"});
  ApiClient api(server);
  const std::vector<float> inputs(kSamples * kFeatures, 0.5F);
  std::vector<int64_t> labels(kSamples);
  for (int64_t i = 0; i < kSamples; ++i) labels[static_cast<size_t>(i)] = i % 2;
  v1::JobSpec spec = TrainingSpec(
      api.Upload(Safetensors({{"inputs", "F32", {kSamples, kFeatures}, AsBytes(inputs)},
                              {"labels", "I64", {kSamples}, AsBytes(labels)}})),
      1);
  spec.mutable_model()->set_architecture("mlp");
  SetInteger("batch_size", 500, &spec);
  const auto job = api.Create(spec);
  ASSERT_TRUE(job.ok()) << job.status();
  const v1::Job ended = api.WaitForEnd(job->name());
  EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.error().message();
}

}  // namespace
}  // namespace acclimate::e2e
