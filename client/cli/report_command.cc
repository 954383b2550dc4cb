#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/report_file.h"
#include "client/cli/report_text.h"

namespace acclimate::cli {
namespace {

constexpr char kOpener[] = "xdg-open";

absl::Status OpenInBrowser(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    return absl::NotFoundError(absl::StrCat(path, ": not there"));
  }
  std::string program = kOpener, argument = path;
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, kOpener, nullptr, nullptr, arguments, environ);
  int status = 0;
  if (error == 0) {
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(kOpener, error == ENOENT ? " is not installed" : " failed", ": open ", path,
                   " in a browser"));
}

absl::StatusOr<ExitCode> Report(Invocation& invocation) {
  const std::string folder = invocation.arguments.positionals().front();
  absl::StatusOr<Json> report = ReadReport(folder);
  if (!report.ok()) return report.status();
  if (invocation.arguments.Has("open")) {
    absl::Status status = OpenInBrowser(absl::StrCat(folder, "/report.html"));
    if (!status.ok()) return status;
  }
  if (invocation.json) {
    PrintJson(*report);
    return kSuccess;
  }
  absl::StatusOr<std::string> text = ReportText(*report);
  if (!text.ok()) return text.status();
  PrintText(*text);
  return kSuccess;
}

}  // namespace

Command ReportCommand() {
  Command command;
  command.name = "report";
  command.summary = "Show the report of a finished job";
  command.description =
      "Prints what DIR/report.json says: the verdict, accuracies, candidates, race and cost. "
      "--open\n"
      "shows DIR/report.html in a browser too. Needs no server. See docs/report.md.";
  command.arguments.positionals = {
      {"DIR", "a folder that --out filled", true, false, ValueKind::kFolder}};
  command.arguments.options = {
      {"open", ValueKind::kSwitch, "", "also open DIR/report.html, by xdg-open"}};
  command.run = Report;
  return command;
}

}  // namespace acclimate::cli
