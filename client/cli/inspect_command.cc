#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/report_text.h"
#include "client/lib/local_file.h"

namespace acclimate::cli {
namespace {

constexpr char kInspector[] = "acclimate-inspect";

// It stands beside this program.
std::string InspectorPath() {
  std::error_code error;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? kInspector : (own.parent_path() / kInspector).string();
}

// The program's stdout. Its stderr is ours.
absl::StatusOr<std::string> Output(std::vector<std::string> command) {
  int ends[2];
  if (pipe(ends) != 0) return absl::ErrnoToStatus(errno, "cannot make a pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string output;
  char buffer[1 << 14];
  while (error == 0) {
    const ssize_t got = read(ends[0], buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    output.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  while (error == 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (error == ENOENT) {
    return absl::FailedPreconditionError(absl::StrCat(
        command[0], " is not installed: it comes with the server, and reads files with LibTorch"));
  }
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", command[0]));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return output;
  return absl::InternalError(absl::StrCat(command[0], " failed: the file broke it"));
}

// "[3, 32, 32]", "TorchScript", "3".
std::string ShortText(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false);
}

// "  methods without source: adabn, auto"; those left out with the reason.
std::string MethodsText(const std::string& key, const Json& methods) {
  if (methods.empty()) return "";
  const auto names = methods.get<std::vector<std::string>>();
  return absl::StrCat(
      "  ", Wrapped(absl::StrCat(absl::StrReplaceAll(key, {{"_", " "}}), ": ",
                                 absl::StrJoin(names, key == "methods_left_out" ? "; " : ", "))));
}

std::string DescriptionText(const Json& description) {
  std::string text = absl::StrCat(ShortText(description["file"]), "\n");
  for (const auto& [key, value] : description.items()) {
    if (key == "file" || key == "warnings" || key == "problems") continue;
    if (key == "recorded") {
      for (const auto& [name, record] : value.items()) {
        absl::StrAppend(&text, "  recorded ", name, ": ", ShortText(record), "\n");
      }
      continue;
    }
    if (absl::StartsWith(key, "methods_")) {
      absl::StrAppend(&text, MethodsText(key, value));
      continue;
    }
    const std::string shown = key == "bytes" ? ByteText(value.get<int64_t>()) : ShortText(value);
    absl::StrAppend(&text, "  ", absl::StrReplaceAll(key, {{"_", " "}}), ": ", shown, "\n");
  }
  const Json none = Json::array();
  for (const Json& warning : description.contains("warnings") ? description["warnings"] : none) {
    absl::StrAppend(&text, Wrapped(absl::StrCat("  warning: ", ShortText(warning))));
  }
  const Json& problems = description["problems"];
  for (const Json& problem : problems) {
    absl::StrAppend(&text, Wrapped(absl::StrCat("  problem: ", ShortText(problem))));
  }
  return absl::StrCat(text, problems.empty() ? "  A job takes it.\n" : "  No job takes it.\n");
}

absl::Status CheckShape(const std::string& shape) {
  if (shape.empty()) return absl::OkStatus();
  for (const absl::string_view size : absl::StrSplit(shape, ',')) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(size, &number) || number < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("--shape: \"", shape, "\" is no shape, as 3,32,32 is"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Inspect(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  if (absl::Status status = CheckShape(arguments.Text("shape")); !status.ok()) return status;
  std::vector<std::string> command = {InspectorPath(), arguments.Text("architecture"),
                                      arguments.Text("shape")};
  for (const std::string& path : arguments.positionals()) {
    const absl::StatusOr<client::LocalFile> file = client::LocalFile::OpenForReading(path);
    if (!file.ok()) return file.status();
    command.push_back(path);
  }
  const absl::StatusOr<std::string> output = Output(command);
  if (!output.ok()) return output.status();
  const Json list = Json::parse(*output, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) return absl::InternalError(absl::StrCat(kInspector, ": no JSON list"));
  bool sound = true;
  std::vector<std::string> texts;
  for (const Json& description : list) {
    sound &= description.value("problems", Json::array()).empty();
    if (!invocation.json) texts.push_back(DescriptionText(description));
  }
  if (invocation.json) {
    PrintJson({{"files", list}});
  } else {
    PrintText(absl::StrJoin(texts, "\n"));
  }
  return sound ? kSuccess : kFailed;
}

}  // namespace

Command InspectCommand() {
  Command command;
  command.name = "inspect";
  command.summary = "Say what a checkpoint or a data file holds, before anything is sent";
  command.description =
      "Reads the files here, as a job would: form, classes, layers and records of a checkpoint;\n"
      "samples, values and labels of data; warnings, every problem a job would fail with, and the\n"
      "methods that a checkpoint fits. A checkpoint given with data is asked whether it takes\n"
      "their samples. Needs no server. Exits with 1 where there is a problem.";
  command.arguments.positionals = {{"FILE", "a checkpoint or data", true, true, ValueKind::kFile}};
  command.arguments.options = {
      {"architecture", ValueKind::kText, "NAME", "of a state dict that does not name its own"},
      {"shape", ValueKind::kText, "C,H,W", "of one sample that a checkpoint is to take"},
  };
  command.run = Inspect;
  return command;
}

}  // namespace acclimate::cli
