// What the command line says: outcomes, wrong files, lost output, and what files hold.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

struct Outcome {
  int exit_code = -1;
  std::string out, err;
};

class CliMessagesTest : public testing::Test {
 protected:
  std::unique_ptr<ChildProcess> Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ACCLIMATE_CLI, "--server", server_.address()});
    return StartCommand(arguments);
  }
  std::unique_ptr<ChildProcess> StartCommand(const std::vector<std::string>& command) {
    return std::make_unique<ChildProcess>(command, folder_.File(absl::StrCat("cli", ++started_)));
  }
  static Outcome OutcomeOf(ChildProcess& process) {
    Outcome outcome;
    outcome.exit_code = process.Wait().value_or(-1);
    outcome.out = process.Stdout();
    outcome.err = process.Stderr();
    return outcome;
  }
  Outcome Run(const std::vector<std::string>& arguments) { return OutcomeOf(*Start(arguments)); }

  std::string NewFile(const std::string& name, const std::string& bytes) {
    WriteFile(folder_.File(name), bytes);
    return folder_.File(name);
  }

  // Trained on images of so many classes, at folder_/NAME/model.safetensors.
  std::string TrainedModel(const std::string& name, const std::string& data) {
    const Outcome train = Run({"train", "--architecture", "lenet", "--data", data, "--set",
                               "epochs=1", "--out", folder_.File(name)});
    EXPECT_EQ(train.exit_code, 0) << train.err;
    return folder_.File(name + "/model.safetensors");
  }

  const TemporaryFolder folder_;
  ServerProcess server_;
  int started_ = 0;
};

TEST_F(CliMessagesTest, LostOutputIsAnError) {
  for (const char* command : {"methods", "server info", "--help", "jobs list --json"}) {
    const auto shell = StartCommand({"/bin/sh", "-c",
                                     absl::StrCat(ACCLIMATE_CLI, " --server ", server_.address(),
                                                  " ", command, " > /dev/full")});
    const Outcome outcome = OutcomeOf(*shell);
    EXPECT_EQ(outcome.exit_code, 1) << command;
    EXPECT_THAT(outcome.err, HasSubstr("cannot write stdout: No space left on device"));
  }
}

TEST_F(CliMessagesTest, WhatCannotBeSentIsAWrongArgument) {
  const std::string fifo = folder_.File("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::pair<std::string, std::string> kCases[] = {
      {fifo, "is a FIFO"},
      {folder_.path(), "a folder without pictures"},
      {folder_.File("missing"), "No such file"},
  };
  for (const auto& [path, why] : kCases) {
    const Outcome outcome = Run({"evaluate", "--checkpoint", path, "--data", path});
    EXPECT_EQ(outcome.exit_code, 2) << path;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(path), HasSubstr(why)));
  }
}

TEST_F(CliMessagesTest, AFilesNameMayBeAnything) {
  const std::string data = NewFile("im\xe4ges", ImageDataset({}, true));
  const Outcome detached =
      Run({"train", "--architecture", "lenet", "--data", data, "--set", "epochs=1", "--detach"});
  EXPECT_EQ(detached.exit_code, 0) << detached.err;
  EXPECT_EQ(ApiClient(server_).List().at(0).spec().target().display_name(), "im\xef\xbf\xbdges");

  // A path that begins as a blob's name does, and one that is one.
  const std::string folder = folder_.File("tenants/default/blobs");
  std::filesystem::create_directories(folder);
  const std::string digest(64, 'a');
  WriteFile(absl::StrCat(folder, "/mine"), ImageDataset({}, true));
  WriteFile(absl::StrCat(folder, "/", digest), ImageDataset({}, true));
  const auto here = [&](const std::string& path) {
    return OutcomeOf(*StartCommand(
        {"/bin/sh", "-c",
         absl::StrCat("cd ", folder_.path(), " && ", ACCLIMATE_CLI, " --server ", server_.address(),
                      " train --architecture lenet --data ", path, " --set epochs=1 --detach")}));
  };
  EXPECT_EQ(here("tenants/default/blobs/mine").exit_code, 0);
  const Outcome both = here("tenants/default/blobs/" + digest);
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("write ./tenants/default/blobs/"));
  EXPECT_EQ(here("./tenants/default/blobs/" + digest).exit_code, 0);
}

TEST_F(CliMessagesTest, AnInterruptedUploadSaysThatThereIsNoJob) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  kill(server_.pid(), SIGSTOP);  // the upload waits
  const auto train =
      Start({"train", "--architecture", "lenet", "--data", data, "--set", "epochs=1", "--detach"});
  // Whenever the signal comes, there is no job: the server does not move.
  absl::SleepFor(absl::Milliseconds(500));
  train->Signal(SIGINT);
  const Outcome outcome = OutcomeOf(*train);
  kill(server_.pid(), SIGCONT);
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.err, HasSubstr("Interrupted"));
  EXPECT_TRUE(ApiClient(server_).List().empty());
}

TEST_F(CliMessagesTest, OutcomesAreSaidInWords) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  const std::string model = TrainedModel("source", data);
  const std::string target =
      NewFile("target.safetensors", ImageDataset({.count = 12, .shift = 0.5}, false));
  const std::string out = folder_.File("adapted");
  const Outcome adapt = Run({"adapt", "--checkpoint", model, "--target", target, "--method",
                             "adabn", "--eval", data, "--out", out});
  ASSERT_EQ(adapt.exit_code, 0) << adapt.err;
  const Json report = Json::parse(ReadFile(out + "/report.json"));
  const std::string verdict = report["verdict"];
  EXPECT_THAT(adapt.out, HasSubstr(verdict.substr(0, verdict.find(' ', 30))));
  EXPECT_THAT(adapt.err, HasSubstr("warning: target: 12 samples, under 16"));
  const Outcome evaluate = Run({"evaluate", "--checkpoint", model, "--data", data, "--json"});
  ASSERT_EQ(evaluate.exit_code, 0) << evaluate.err;
  EXPECT_TRUE(Json::parse(evaluate.out)["warnings"].is_array());
}

TEST_F(CliMessagesTest, ACheckpointOfOtherClassesGetsANewHeadUnlessToldOtherwise) {
  const std::string four = NewFile("four.safetensors", ImageDataset({}, true));
  const std::string model = TrainedModel("four", four);
  const std::string six = NewFile("six.safetensors", ImageDataset({.classes = 6}, true));
  const std::vector<std::string> command = {
      "train", "--checkpoint", model,   "--data",           six,
      "--set", "epochs=1",     "--out", folder_.File("six")};
  const Outcome train = Run(command);
  ASSERT_EQ(train.exit_code, 0) << train.err;
  EXPECT_THAT(train.err, HasSubstr("the classifier layer is new: the data have 6 classes"));
  std::vector<std::string> keep = command;
  keep.push_back("--keep-head");
  const Outcome kept = Run(keep);
  EXPECT_EQ(kept.exit_code, 1);
  EXPECT_THAT(kept.err, HasSubstr("the model has 4 classes"));
}

TEST_F(CliMessagesTest, CompletionAsksTheServer) {
  const auto words = [&](const std::string& list) {
    const Outcome outcome = Run({"completion", "--list", list, "--method", "shot"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return "\n" + outcome.out;
  };
  EXPECT_THAT(words("methods"), HasSubstr("\nshot\n"));
  EXPECT_THAT(words("architectures"), HasSubstr("\nlenet\n"));
  EXPECT_THAT(words("settings"), HasSubstr("\nbatch_size=\n"));
  EXPECT_EQ(words("jobs"), "\n");
  // As bash does it: the script, sourced, completes the word at the cursor.
  const auto bash = StartCommand(
      {"/bin/bash", "-c",
       absl::StrCat("source <(", ACCLIMATE_CLI, " completion bash); COMP_WORDS=(", ACCLIMATE_CLI,
                    " --server ", server_.address(),
                    " adapt --method sho); COMP_CWORD=5; _acclimate; echo \"${COMPREPLY[@]}\"")});
  const Outcome completed = OutcomeOf(*bash);
  EXPECT_EQ(completed.out, "shot\n") << completed.err;
}

TEST_F(CliMessagesTest, InspectSaysWhatFilesHoldBeforeAnythingIsSent) {
  const std::string data = NewFile("train.safetensors", ImageDataset({}, true));
  const std::string model = TrainedModel("source", data);
  server_.Stop();
  const Outcome both = Run({"inspect", model, data, "--json"});
  ASSERT_EQ(both.exit_code, 0) << both.err << both.out;
  const Json files = Json::parse(both.out)["files"];
  EXPECT_EQ(files[0]["kind"], "checkpoint");
  EXPECT_EQ(files[0]["architecture"], "lenet");
  EXPECT_EQ(files[0]["classes"], 4);
  EXPECT_EQ(files[0]["takes_samples"], Json({1, 28, 28}));
  EXPECT_EQ(files[0]["recorded"]["sample"]["shape"], Json({1, 28, 28}));
  EXPECT_EQ(files[1]["kind"], "data");
  EXPECT_EQ(files[1]["samples"], 200);
  EXPECT_EQ(files[1]["labels"]["classes"], 4);
  EXPECT_THAT(files[0]["methods_without_source"], Contains("shot"));
  EXPECT_THAT(files[0]["methods_with_source"], Contains("dann"));
  EXPECT_THAT(files[0]["methods_left_out"],
              Contains("table_teacher: it needs samples that are vectors"));
  EXPECT_THAT(Run({"inspect", model}).out, HasSubstr("\n  methods without source: aad, "));
  const Outcome text = Run({"inspect", data});
  EXPECT_THAT(text.out, AllOf(HasSubstr("sample shape: [1,28,28]"), HasSubstr("A job takes it.")));

  const std::string bad =
      NewFile("bad.safetensors", Safetensors({{"x", "F32", {2, 1}, "12345678"}}));
  const Outcome refused = Run({"inspect", bad});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.out, AllOf(HasSubstr("is \"x\" meant?"), HasSubstr("No job takes it.")));
  EXPECT_EQ(Run({"inspect", folder_.File("missing")}).exit_code, 2);
  EXPECT_EQ(Run({"inspect", "--shape", "3x32", data}).exit_code, 2);
}

}  // namespace
}  // namespace acclimate::e2e
