// A program of torch.export through server and command line: it comes back as one.
#include <filesystem>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/lib/names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr int64_t kCount = 96, kSampleSide = 12, kClassCount = 3;

// Images of the shape that tests/data/exported/*.pt2 take, with a square that tells the class.
std::string SmallImages(uint64_t seed, bool with_labels) {
  std::mt19937_64 random(seed);
  std::string pixels;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < kCount; ++i) {
    labels.push_back(i % kClassCount);
    for (int64_t at = 0; at < kSampleSide * kSampleSide; ++at) {
      const bool bright = at / kSampleSide / (kSampleSide / kClassCount) == labels.back();
      pixels.push_back(static_cast<char>((bright ? 150 : 30) + random() % 60));
    }
  }
  std::vector<Tensor> tensors;
  if (with_labels) tensors.push_back({"labels", "I64", {kCount}, AsBytes(labels)});
  tensors.push_back({"inputs", "U8", {kCount, 1, kSampleSide, kSampleSide}, pixels});
  return Safetensors(tensors);
}

std::string ProgramPath(const std::string& name) {
  return absl::StrCat(ACCLIMATE_TEST_DATA_DIR, "/", name);
}

class ExportedJobTest : public testing::Test {
 protected:
  int RunCli(std::vector<std::string> arguments, std::string* out, std::string* err) {
    arguments.insert(arguments.begin(), {ACCLIMATE_CLI, "--server", server_.address()});
    ChildProcess process(arguments, folder_.File(absl::StrCat("cli", ++started_)));
    const int code = process.Wait().value_or(-1);
    *out = process.Stdout();
    *err = process.Stderr();
    return code;
  }
  std::string NewFile(const std::string& name, const std::string& bytes) {
    WriteFile(folder_.File(name), bytes);
    return folder_.File(name);
  }
  // Fails unless PyTorch, where it is installed, runs the program on five samples.
  void ExpectPythonRuns(const std::string& path) {
    if (!std::filesystem::exists(ACCLIMATE_PYTHON)) return;
    ChildProcess python({ACCLIMATE_PYTHON, "-c",
                         "import sys, torch\n"
                         "program = torch.export.load(sys.argv[1]).module()\n"
                         "assert program(torch.randn(5, 1, 12, 12)).shape == (5, 3)\n",
                         path},
                        folder_.File("python"));
    EXPECT_EQ(python.Wait().value_or(-1), 0) << python.Stderr();
  }

  const TemporaryFolder folder_;
  ServerProcess server_;
  ApiClient api_{server_};
  int started_ = 0;
};

TEST_F(ExportedJobTest, CommandLineAdaptsAndEvaluates) {
  const std::string target = NewFile("target.safetensors", SmallImages(1, false));
  const std::string held_out = NewFile("held_out.safetensors", SmallImages(2, true));
  std::string out, err;
  for (const std::string program : {"cnn.pt2", "cnn_core.pt2"}) {
    SCOPED_TRACE(program);
    const std::string folder = folder_.File("out_" + program);
    ASSERT_EQ(RunCli({"adapt",
                      "--checkpoint",
                      ProgramPath(program),
                      "--target",
                      target,
                      "--eval",
                      held_out,
                      "--method",
                      "tent",
                      "--mean",
                      "0.5",
                      "--std",
                      "0.5",
                      "--set",
                      "guard=off",
                      "--set",
                      "selection=last",
                      "--out",
                      folder,
                      "--json"},
                     &out, &err),
              0)
        << err;
    const auto adapted = nlohmann::json::parse(out);
    ASSERT_TRUE(std::filesystem::exists(folder + "/model.pt2"));
    const std::string before = ReadFile(ProgramPath(program));
    const std::string after = ReadFile(folder + "/model.pt2");
    EXPECT_GT(after.size(), before.size());  // the notes of the run are in it
    EXPECT_NE(after.substr(0, before.size() / 2), before.substr(0, before.size() / 2));
    ExpectPythonRuns(folder + "/model.pt2");
    // The normalisation was recorded with it.
    ASSERT_EQ(
        RunCli({"evaluate", "--checkpoint", folder + "/model.pt2", "--data", held_out, "--json"},
               &out, &err),
        0)
        << err;
    EXPECT_EQ(nlohmann::json::parse(out)["accuracy"], adapted["metrics"]["accuracy"]);
  }
}

TEST_F(ExportedJobTest, ApiGivesBackAProgram) {
  const std::string model = api_.Upload(ReadFile(ProgramPath("cnn_training.pt2")));
  const std::string target = api_.Upload(SmallImages(3, false));
  v1::JobSpec spec = AdaptationSpec("shot", model, target);
  absl::StatusOr<v1::Job> job = api_.Create(spec);
  ASSERT_TRUE(job.ok()) << job.status();
  const v1::Job ended = api_.WaitForEnd(job->name());
  ASSERT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
  std::vector<std::string> files;
  for (const v1::OutputFile& file : ended.result().files()) files.push_back(file.name());
  EXPECT_THAT(files, IsSupersetOf({"model.pt2", "report.json", "lineage.json"}));
  ExpectPythonRuns(NewFile("model.pt2", api_.DownloadFile(ended, "model.pt2")));
  EXPECT_THAT(api_.DownloadFile(ended, "report.json"), HasSubstr("exported in training mode"));
}

TEST_F(ExportedJobTest, ADamagedProgramFailsItsJob) {
  const std::string whole = ReadFile(ProgramPath("cnn.pt2"));
  const std::string target = api_.Upload(SmallImages(3, false));
  for (const std::string& bytes : {whole.substr(0, whole.size() / 2), [&] {
                                     std::string damaged = whole;
                                     damaged[100] ^= 1;  // in a weight
                                     return damaged;
                                   }()}) {
    absl::StatusOr<v1::Job> job = api_.Create(AdaptationSpec("adabn", api_.Upload(bytes), target));
    ASSERT_TRUE(job.ok()) << job.status();
    const v1::Job ended = api_.WaitForEnd(job->name());
    EXPECT_EQ(ended.state(), v1::JOB_STATE_FAILED);
    EXPECT_THAT(ended.error().message(), HasSubstr("checkpoint"));
    EXPECT_THAT(ended.error().message(), Not(HasSubstr("\n")));
  }
}

}  // namespace
}  // namespace acclimate::e2e
