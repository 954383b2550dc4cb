// Models whose code means harm, and a worker that does: contained, and the job fails with the
// reason.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/health_probe.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

namespace fs = std::filesystem;
using e2e::ApiClient;
using e2e::ServerProcess;
using ::testing::HasSubstr;

struct Harm {
  const char* name;  // of hostile_models.py
  std::vector<absl::StatusCode> codes;
  const char* reason;
};

// What reads, writes or starts something is refused before it runs; what takes time or memory runs,
// up to the limits of the job.
const std::vector<Harm>& Harms() {
  static const auto& harms = *new std::vector<Harm>{
      {"read", {absl::StatusCode::kInvalidArgument}, "aten::from_file"},
      {"write", {absl::StatusCode::kInvalidArgument}, "aten::save"},
      // Tasks of TorchScript, not processes: they run one after the other, and the job ends well.
      {"fork", {absl::StatusCode::kOk}, ""},
      // The one sample that a model is tried on before its job may be what there is no memory for.
      {"memory",
       {absl::StatusCode::kResourceExhausted, absl::StatusCode::kInvalidArgument},
       "memory"},
      {"endless", {absl::StatusCode::kDeadlineExceeded}, "limit"},
  };
  return harms;
}

TEST(HostileModelTest, FailsWithTheReason) {
  const e2e::TemporaryFolder folder;
  const std::string written = folder.File("written");
  if (!fs::exists(ACCLIMATE_PYTHON)) GTEST_SKIP() << "PyTorch is not installed";
  e2e::ChildProcess python({ACCLIMATE_PYTHON, HOSTILE_MODELS, folder.path(), "4", written},
                           folder.File("python"));
  ASSERT_EQ(python.Wait(), 0) << python.Stderr();
  const ServerProcess server(/*slots=*/2, {"--job-memory-limit=4GiB"});
  ApiClient api(server);
  const std::string target = api.Upload(e2e::ImageDataset({.count = 40}, true));
  const HealthProbe health(server);
  int contained = 0;
  for (const Harm& harm : Harms()) {
    for (const char* place : {"forward", "setstate"}) {
      SCOPED_TRACE(absl::StrCat(harm.name, " in ", place));
      const std::string model =
          api.Upload(e2e::ReadFile(folder.File(absl::StrCat(harm.name, "_", place, ".pt"))));
      v1::JobSpec spec = e2e::AdaptationSpec("evaluate", model, target);
      const bool endless = harm.codes[0] == absl::StatusCode::kDeadlineExceeded;
      if (endless) spec.mutable_limits()->mutable_run_time()->set_seconds(3);
      const absl::StatusOr<v1::Job> created = api.Create(spec);
      ASSERT_TRUE(created.ok()) << created.status();
      const v1::Job job = api.WaitForEnd(created->name());
      EXPECT_EQ(job.state(), harm.codes[0] == absl::StatusCode::kOk ? v1::JOB_STATE_SUCCEEDED
                                                                    : v1::JOB_STATE_FAILED)
          << job.DebugString();
      EXPECT_THAT(harm.codes, testing::Contains(static_cast<absl::StatusCode>(job.error().code())))
          << job.DebugString();
      EXPECT_THAT(job.error().message(), HasSubstr(harm.reason));
      EXPECT_FALSE(fs::exists(written)) << "it wrote where it must not";
      ++contained;
    }
  }
  EXPECT_EQ(api.WaitForEnd(api.Create(e2e::TrainingSpec(target, 1))->name()).state(),
            v1::JOB_STATE_SUCCEEDED);
  Report("hostile models", absl::StrCat(contained, " contained"));
}

// As if a model had taken the worker over: what the process may do itself.
TEST(HostileWorkerTest, ReachesNothing) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizer's own thread keeps landlock from being closed";
#endif
  const e2e::TemporaryFolder folder;
  const std::string worker = folder.File("worker-hostile");
  fs::create_symlink(SCRIPTED_WORKER, worker);
  const ServerProcess server(/*slots=*/1, {"--worker=" + worker});
  ApiClient api(server);
  const absl::StatusOr<v1::Job> created =
      api.Create(e2e::TrainingSpec(api.Upload(e2e::ImageDataset({.count = 40}, true))));
  ASSERT_TRUE(created.ok()) << created.status();
  const v1::Job job = api.WaitForEnd(created->name());
  ASSERT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.DebugString();
  std::vector<std::string> said;
  for (const v1::JobEvent& event : api.Events(job.name())) {
    if (!event.warning().empty()) said.push_back(event.warning());
  }
  EXPECT_THAT(said, testing::UnorderedElementsAre(
                        "read /etc/passwd: refused", "read the server's files: refused",
                        "write elsewhere: refused", "connect: refused", "exec: refused",
                        "fork: refused", "signal the server: refused", "trace the server: refused",
                        "write in scratch: done"));
  EXPECT_TRUE(api.Serving());
  Report("hostile worker", absl::StrCat(said.size(), " tries"));
}

// I2: what a worker says with another epoch than that of its lease is not taken.
TEST(HostileWorkerTest, SpeaksForNoOtherAttempt) {
  const e2e::TemporaryFolder folder;
  const std::string worker = folder.File("worker-stale");
  fs::create_symlink(SCRIPTED_WORKER, worker);
  const ServerProcess server(/*slots=*/1, {"--worker=" + worker, "--max-retries=0"});
  ApiClient api(server);
  const absl::StatusOr<v1::Job> created =
      api.Create(e2e::TrainingSpec(api.Upload(e2e::ImageDataset({.count = 40}, true))));
  ASSERT_TRUE(created.ok()) << created.status();
  const v1::Job job = api.WaitForEnd(created->name());
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED) << job.DebugString();
  EXPECT_THAT(job.error().message(), HasSubstr("a message for another attempt"));
  for (const v1::JobEvent& event : api.Events(job.name())) {
    EXPECT_FALSE(event.has_progress()) << event.ShortDebugString();
  }
}

}  // namespace
}  // namespace acclimate::reliability
