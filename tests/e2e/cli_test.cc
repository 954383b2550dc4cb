// The command line over a real server.
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/lib/names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

struct Outcome {
  int exit_code = -1;
  std::string out, err;
  Json json;  // of the whole of `out`; discarded when that is not one document
};

class CliTest : public testing::Test {
 protected:
  std::unique_ptr<ChildProcess> Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ACCLIMATE_CLI, "--server", server_.address()});
    return std::make_unique<ChildProcess>(arguments, folder_.File(absl::StrCat("cli", ++started_)));
  }

  Outcome Run(const std::vector<std::string>& arguments) {
    std::unique_ptr<ChildProcess> process = Start(arguments);
    Outcome outcome;
    outcome.exit_code = process->Wait().value_or(-1);
    outcome.out = process->Stdout();
    outcome.err = process->Stderr();
    outcome.json = Json::parse(outcome.out, nullptr, /*allow_exceptions=*/false);
    return outcome;
  }

  std::string NewFile(const std::string& name, const std::string& bytes) {
    WriteFile(folder_.File(name), bytes);
    return folder_.File(name);
  }

  // A model trained on labelled images, at folder_/source/model.safetensors.
  std::string TrainedModel() {
    const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
    const Outcome train = Run({"train", "--architecture", "lenet", "--data", data, "--set",
                               "epochs=3", "--out", folder_.File("source"), "--json"});
    EXPECT_EQ(train.exit_code, 0) << train.err;
    return folder_.File("source/model.safetensors");
  }

  std::string OnlyJob() {
    std::vector<v1::Job> jobs;
    WaitUntil([&] { return !(jobs = ApiClient(server_).List()).empty(); });
    return jobs.empty() ? "" : jobs[0].name();
  }

  const TemporaryFolder folder_;
  ServerProcess server_;
  int started_ = 0;
};

TEST_F(CliTest, TrainAdaptEvaluate) {
  const std::string model = TrainedModel();
  const Images shifted = {.shift = 0.7, .seed = 5};
  const std::string target = NewFile("target.safetensors", ImageDataset(shifted, false));
  const std::string held_out = NewFile("held_out.safetensors", ImageDataset(shifted, true));
  const std::string out = folder_.File("adapted");
  const Outcome adapt =
      Run({"adapt", "--checkpoint", model, "--target", target, "--eval", held_out, "--method",
           "shot", "--seed", "3", "--mean", "0.5", "--std", "0.5", "--out", out, "--json"});
  ASSERT_EQ(adapt.exit_code, 0) << adapt.err;
  ASSERT_TRUE(adapt.json.is_object()) << adapt.out;
  EXPECT_EQ(adapt.json["state"], "SUCCEEDED");
  for (const char* file : {"model.safetensors", "report.json", "lineage.json"}) {
    EXPECT_TRUE(std::filesystem::exists(out + "/" + file)) << file;
  }
  EXPECT_THAT(adapt.err, HasSubstr("loss"));

  const Outcome evaluate =
      Run({"evaluate", "--checkpoint", out + "/model.safetensors", "--data", held_out, "--json"});
  ASSERT_EQ(evaluate.exit_code, 0) << evaluate.err;
  ASSERT_TRUE(evaluate.json.is_object()) << evaluate.out;
  EXPECT_EQ(evaluate.json["accuracy"], adapt.json["metrics"]["accuracy"]);
  EXPECT_EQ(evaluate.json["per_class_accuracy"].size(), 4u);
  EXPECT_EQ(evaluate.json["confusion_matrix"].size(), 4u);
}

TEST_F(CliTest, AnAuditBeforeAndAfterAJobSaysTheSame) {
  const std::string model = TrainedModel();
  const Images shifted = {.shift = 0.7, .seed = 5};
  const std::string target = NewFile("target.safetensors", ImageDataset(shifted, false));
  const std::string labels = folder_.File("audit.csv"), out = folder_.File("adapted");
  const Outcome drawn = Run({"audit", target, "--n", "40", "--seed", "2", "--out", labels});
  ASSERT_EQ(drawn.exit_code, 0) << drawn.err;
  EXPECT_EQ(Run({"audit", target, "--out", labels}).exit_code, 1) << "it was overwritten";
  const std::vector<std::string> adapt = {"adapt", "--checkpoint", model,  "--target",
                                          target,  "--method",     "shot", "--audit",
                                          labels,  "--out",        out,    "--json"};
  const Outcome unlabelled = Run(adapt);
  EXPECT_EQ(unlabelled.exit_code, 2);
  EXPECT_THAT(unlabelled.err, HasSubstr("audit.csv: line 2: has no label"));

  const std::string truth = ImageLabels(shifted).bytes;
  std::string filled = "index,label\n";
  for (absl::string_view line : absl::StrSplit(ReadFile(labels), '\n')) {
    int64_t index = 0, label = 0;
    if (!absl::SimpleAtoi(line.substr(0, line.find(',')), &index)) continue;
    std::memcpy(&label, truth.data() + index * sizeof(label), sizeof(label));
    absl::StrAppend(&filled, index, ",", label, "\n");
  }
  WriteFile(labels, filled);
  const Outcome adapted = Run(adapt);
  ASSERT_EQ(adapted.exit_code, 0) << adapted.err;
  const Json during = Json::parse(ReadFile(out + "/report.json"));
  EXPECT_THAT(during["verdict"].get<std::string>(), HasSubstr("An audit of 40 labelled samples"));

  std::vector<std::string> choosing = adapt;
  choosing.push_back("--use-audit");
  ASSERT_EQ(Run(choosing).exit_code, 0);
  const Json chosen = Json::parse(ReadFile(out + "/report.json"));
  EXPECT_EQ(chosen["selection"]["guard"]["rules"][1]["rule"], "audit");
  EXPECT_THAT(chosen["verdict"].get<std::string>(), HasSubstr("audit also chose what is returned"));

  // Without it, and then after the fact.
  std::vector<std::string> without(adapt.begin(), adapt.begin() + 7);
  without.insert(without.end(), {"--out", out, "--json"});
  ASSERT_EQ(Run(without).exit_code, 0);
  EXPECT_FALSE(Json::parse(ReadFile(out + "/report.json")).contains("audit"));
  const Outcome after = Run({"audit", out, "--labels", labels});
  ASSERT_EQ(after.exit_code, 0) << after.err;
  EXPECT_THAT(after.out, HasSubstr("audited after"));
  const Json audited = Json::parse(ReadFile(out + "/report.json"));
  EXPECT_EQ(audited["verdict"], during["verdict"]);
  for (const char* part : {"source", "returned", "gain"}) {
    for (const char* end : {"value", "low", "high"}) {
      EXPECT_NEAR(audited["audit"][part][end].get<double>(),
                  during["audit"][part][end].get<double>(), 1e-9);
    }
  }
  EXPECT_THAT(ReadFile(out + "/report.html"), HasSubstr("An audit of 40 labelled samples"));

  WriteFile(labels, "index,label\n3,9\n");
  const Outcome wrong = Run({"audit", out, "--labels", labels});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("label 9 of index 3 is out of range: there are 4 classes"));
}

TEST_F(CliTest, PrecisionReachesTheRunAndItsWarningComesBack) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  const std::string out = folder_.File("trained");
  const std::vector<std::string> command = {"train", "--architecture", "lenet",    "--data",
                                            data,    "--set",          "epochs=1", "--device",
                                            "cpu",   "--out",          out,        "--json"};
  const auto run_in = [&](const std::string& precision) {
    std::vector<std::string> with = command;
    with.insert(with.end(), {"--precision", precision});
    return Run(with);
  };
  const Outcome train = run_in("bf16");
  ASSERT_EQ(train.exit_code, 0) << train.err;
  const auto report = Json::parse(ReadFile(out + "/report.json"));
  EXPECT_EQ(report["precision"], "bf16");
  EXPECT_EQ(Json::parse(ReadFile(out + "/lineage.json"))["precision"], "bf16");
  const v1::Job job = ApiClient(server_).List().at(0);
  EXPECT_EQ(job.spec().resources().precision(), "bf16");
  EXPECT_EQ(job.result().precision(), "bf16");
  const Outcome shown = Run({"jobs", "get", client::LastSegment(job.name())});
  EXPECT_THAT(shown.out, HasSubstr("\ncompute  bf16\n"));
  // On a processor that has no instructions for it.
  const std::string slow = "precision: bf16 is slower than fp32 here";
  if (report["warnings"].dump().find(slow) != std::string::npos) {
    EXPECT_THAT(train.err, HasSubstr(slow));
    EXPECT_THAT(std::string(job.result().warnings(0)), HasSubstr(slow));
  }

  const Outcome half = run_in("fp16");
  EXPECT_NE(half.exit_code, 0);
  EXPECT_THAT(half.err, HasSubstr("spec.resources.precision: fp16 is for CUDA devices"));
  const Outcome unknown = run_in("fp8");
  EXPECT_NE(unknown.exit_code, 0);
  EXPECT_THAT(unknown.err, HasSubstr("auto, fp32, bf16, fp16"));
}

TEST_F(CliTest, JsonIsOneDocument) {
  const std::string file = NewFile("blob", "some bytes");
  const Outcome put = Run({"blobs", "put", file, "--json"});
  ASSERT_TRUE(put.json.is_object()) << put.out << put.err;
  const std::string blob = put.json["blobs"][0]["blob"];
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  const Outcome detached = Run({"train", "--architecture", "lenet", "--data", data, "--set",
                                "epochs=1", "--label", "team=vision", "--detach", "--json"});
  ASSERT_TRUE(detached.json.is_object()) << detached.out << detached.err;
  const std::string job = detached.json["job"];
  const std::vector<std::vector<std::string>> commands = {
      {"jobs", "watch", job},
      {"jobs", "get", client::LastSegment(job)},
      {"jobs", "list"},
      {"jobs", "list", "--label", "team=vision"},
      {"blobs", "stat", blob},
      {"blobs", "get", blob, folder_.File("copy")},
      {"methods"},
      {"methods", "shot"},
      {"server", "info"},
      {"jobs", "delete", job},
  };
  for (std::vector<std::string> command : commands) {
    command.push_back("--json");
    const Outcome outcome = Run(command);
    EXPECT_EQ(outcome.exit_code, 0) << command[0] << " " << outcome.err;
    EXPECT_TRUE(outcome.json.is_object()) << command[0] << "\n" << outcome.out;
  }
  EXPECT_EQ(ReadFile(folder_.File("copy")), "some bytes");
  EXPECT_TRUE(Run({"jobs", "list", "--json"}).json["jobs"].empty());
}

TEST_F(CliTest, WrongArgumentsAreToldInOneLineWithTheRightSpelling) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  const std::pair<std::vector<std::string>, std::string> kCases[] = {
      {{"adpt"}, "adapt"},
      {{"jobs", "lst"}, "list"},
      {{"adapt", "--chekpoint", "x"}, "--checkpoint"},
      {{"adapt", "--checkpoint", "x"}, "--target"},
      {{"adapt", "--target", data, "--detach"}, "--architecture NAME"},
      {{"adapt", "--architecture", "lenet", "--method", "shot", "--target", data, "--detach"},
       "checkpoint"},
      {{"jobs", "list", "--state", "RUNING"}, "RUNNING"},
      {{"methods", "shott"}, "shot"},
      {{"train", "--architecture", "lenet", "--data", data, "--set", "epoch=1", "--detach"},
       "epochs"},
      {{"train", "--architecture", "lenet", "--data", data, "--set", "epochs=many", "--detach"},
       "integer"},
      {{"train", "--architecture", "lenet", "--data", "/nowhere", "--detach"}, "/nowhere"},
  };
  for (const auto& [arguments, hint] : kCases) {
    const Outcome outcome = Run(arguments);
    EXPECT_NE(outcome.exit_code, 0) << hint;
    EXPECT_THAT(outcome.err, StartsWith("acclimate: "));
    EXPECT_THAT(outcome.err, HasSubstr(hint));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_EQ(Run({"adpt"}).exit_code, 2);
  EXPECT_EQ(Run({"train", "--data", data}).exit_code, 2);
  EXPECT_TRUE(ApiClient(server_).List().empty());
}

TEST_F(CliTest, AMethodThatNeedsNoModelStartsFromFreshWeights) {
  const std::string target = NewFile("unlabelled.safetensors", ImageDataset({}, false));
  const std::string out = folder_.File("pretrained");
  const Outcome outcome =
      Run({"adapt", "--method", "simclr", "--architecture", "lenet", "--classes", "3", "--target",
           target, "--set", "epochs=1", "--out", out});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(out + "/model.safetensors"));
}

TEST_F(CliTest, AFailedJobIsAFailure) {
  const std::string bad = NewFile("bad.safetensors", "not a data set");
  const Outcome outcome = Run(
      {"train", "--architecture", "lenet", "--data", bad, "--out", folder_.File("out"), "--json"});
  EXPECT_EQ(outcome.exit_code, 1);
  ASSERT_TRUE(outcome.json.is_object()) << outcome.out;
  EXPECT_EQ(outcome.json["state"], "FAILED");
  EXPECT_EQ(outcome.json["error"]["code"], "INVALID_ARGUMENT");
  EXPECT_THAT(outcome.err, HasSubstr("target"));
}

TEST_F(CliTest, CtrlCDetachesAndTheJobGoesOn) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  auto train = Start({"train", "--architecture", "lenet", "--data", data, "--set", "epochs=100000",
                      "--set", "batch_size=20", "--out", folder_.File("out")});
  const std::string job = OnlyJob();
  ApiClient api(server_);
  api.WaitForStep(job);
  train->Signal(SIGINT);
  EXPECT_EQ(train->Wait(), 130);
  EXPECT_THAT(train->Stderr(), HasSubstr("jobs watch " + client::LastSegment(job)));
  const int64_t step = api.Get(job)->progress().step();
  api.WaitForStep(job, step + 1);

  // And back: a watch, which a cancel ends.
  auto watch = Start({"jobs", "watch", client::LastSegment(job)});
  EXPECT_EQ(Run({"jobs", "cancel", client::LastSegment(job)}).exit_code, 0);
  EXPECT_EQ(watch->Wait(), 1);
  EXPECT_THAT(watch->Stderr(), HasSubstr("CANCELLED"));
}

TEST_F(CliTest, ADroppedConnectionIsTakenUpAgain) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  auto train = Start({"train", "--architecture", "lenet", "--data", data, "--set", "epochs=100",
                      "--set", "batch_size=20", "--out", folder_.File("out"), "--json"});
  ApiClient(server_).WaitForStep(OnlyJob());
  server_.Kill();
  server_.Start();
  EXPECT_EQ(train->Wait(), 0) << train->Stderr();
  EXPECT_TRUE(std::filesystem::exists(folder_.File("out/model.safetensors")));
}

// An orderly stop ends streams with other codes than a kill does.
TEST_F(CliTest, AJobIsFollowedAcrossAStopOfTheServer) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  auto train = Start({"train", "--architecture", "lenet", "--data", data, "--set", "epochs=100",
                      "--set", "batch_size=20", "--out", folder_.File("out"), "--json"});
  ApiClient(server_).WaitForStep(OnlyJob());
  EXPECT_EQ(server_.Stop(), 0);
  server_.Start();
  EXPECT_EQ(train->Wait(), 0) << train->Stderr();
  EXPECT_TRUE(std::filesystem::exists(folder_.File("out/model.safetensors")));
}

TEST_F(CliTest, AnAbsentServerHasItsOwnExitCode) {
  server_.Stop();
  const Outcome outcome = Run({"server", "info", "--json"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.json["error"]["code"], "UNAVAILABLE");
  EXPECT_THAT(outcome.err, HasSubstr(server_.address()));
}

TEST_F(CliTest, ARollingRestartFailsNoRun) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  const std::unique_ptr<ChildProcess> train =
      Start({"train", "--architecture", "lenet", "--data", data, "--set", "epochs=100", "--out",
             folder_.File("out"), "--json"});
  for (int restart = 1; restart <= 2; ++restart) {
    const std::string job = OnlyJob();
    ASSERT_TRUE(WaitUntil([&] {
      const absl::StatusOr<v1::Job> now = ApiClient(server_).Get(job);
      return now.ok() && now->attempts_size() == restart && now->progress().step() > 0;
    }));
    EXPECT_EQ(server_.Stop(), 0);
    server_.Start();
  }
  EXPECT_EQ(train->Wait().value_or(-1), 0) << train->Stderr();
  EXPECT_TRUE(std::filesystem::exists(folder_.File("out/model.safetensors")));
}

TEST_F(CliTest, JobsArePausedResumedAndTriedAgain) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  const std::string job =
      client::LastSegment(Run({"train", "--architecture", "lenet", "--data", data, "--set",
                               "epochs=10000", "--detach", "--json"})
                              .json["job"]
                              .get<std::string>());
  EXPECT_EQ(Run({"jobs", "pause", job, "--json"}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([&] { return ApiClient(server_).List("state=PAUSED").size() == 1; }));
  EXPECT_EQ(Run({"jobs", "resume", job, "--json"}).json["state"], "JOB_STATE_QUEUED");
  const Outcome too_early = Run({"jobs", "retry", job});
  EXPECT_NE(too_early.exit_code, 0);
  EXPECT_THAT(too_early.err, HasSubstr("only a job that failed or was cancelled"));
  EXPECT_EQ(Run({"jobs", "cancel", job}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([&] { return ApiClient(server_).List("state=CANCELLED").size() == 1; }));
  const Outcome again = Run({"jobs", "retry", job, "--json"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.json["retry_of"].get<std::string>(), HasSubstr(job));
}

}  // namespace
}  // namespace acclimate::e2e
