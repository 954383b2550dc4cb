// A text classifier that takes token ids and an attention mask, exported by PyTorch, through the
// service.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;

class TokensTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(ACCLIMATE_PYTHON)) GTEST_SKIP() << "no Python with torch";
    Python({"make", folder_.path()});
    model_ = api_.Upload(ReadFile(folder_.File("encoder.pt2")));
    source_ = api_.Upload(ReadFile(folder_.File("source.npz")));
    target_ = api_.Upload(ReadFile(folder_.File("target.npz")));
  }
  std::string Python(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ACCLIMATE_PYTHON, TOKEN_FILES});
    ChildProcess python(arguments, folder_.File("python"));
    EXPECT_EQ(python.Wait().value_or(-1), 0) << python.Stderr();
    return python.Stdout();
  }
  v1::Job Run(const v1::JobSpec& spec) {
    const absl::StatusOr<v1::Job> job = api_.Create(spec);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? api_.WaitForEnd(job->name()) : v1::Job();
  }

  const TemporaryFolder folder_;
  ServerProcess server_;
  ApiClient api_{server_};
  std::string model_, source_, target_;  // blobs
};

TEST_F(TokensTest, OfATransformerAreAdaptedByMethodsOfEveryKind) {
  for (const char* method : {"shot", "mcc", "dann", "label_shift"}) {
    SCOPED_TRACE(method);
    v1::JobSpec spec = AdaptationSpec(method, model_, target_);
    if (method != std::string("shot")) spec.add_sources()->set_blob(source_);
    if (method == std::string("shot")) SetInteger("epochs", 2, &spec);
    if (method == std::string("shot")) SetInteger("mask_token", 2, &spec);
    if (method == std::string("mcc") || method == std::string("dann"))
      SetInteger("steps", 30, &spec);
    const v1::Job job = Run(spec);
    ASSERT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.DebugString();
    WriteFile(folder_.File("adapted.pt2"), api_.DownloadFile(job, "model.pt2"));
    double accuracy = 0;
    ASSERT_TRUE(absl::SimpleAtod(
        Python({"accuracy", folder_.File("adapted.pt2"), folder_.File("target.npz")}), &accuracy));
    EXPECT_GT(accuracy, 0.6) << "of three classes, by PyTorch";
  }
}

TEST_F(TokensTest, ThatTheModelDoesNotKnowAreNamed) {
  v1::JobSpec spec = AdaptationSpec("shot", model_, target_);
  (*spec.mutable_hyperparameters())["mask_token"].set_integer(64);
  const v1::Job beyond = Run(spec);
  EXPECT_EQ(beyond.state(), v1::JOB_STATE_FAILED) << beyond.DebugString();
  EXPECT_THAT(beyond.error().message(), HasSubstr("mask_token"));

  spec = AdaptationSpec("shot", model_, target_);
  spec.mutable_normalization()->add_mean(0.5);
  const v1::Job normalised = Run(spec);
  EXPECT_EQ(normalised.state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(normalised.error().message(), HasSubstr("token ids, which stay as they are"));
}

}  // namespace
}  // namespace acclimate::e2e
