#include "client/cli/program.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/help.h"
#include "client/cli/output.h"
#include "client/cli/settings.h"
#include "client/cli/spelling.h"

namespace acclimate::cli {
namespace {

// Splits the words before the command (global options) from the command's own.
struct CommandLine {
  std::vector<std::string> words;  // those that name the command come first
  std::vector<std::string> options;
};

// "--server", but not "--server=..." nor "--json".
bool TakesValue(const std::string& word) {
  return absl::c_any_of(GlobalOptions(), [&word](const OptionSpec& option) {
    return option.kind != ValueKind::kSwitch && word == "--" + option.name;
  });
}

CommandLine SplitAtCommand(const std::vector<std::string>& all) {
  CommandLine line;
  size_t i = 0;
  while (i < all.size() && absl::StartsWith(all[i], "-")) {
    line.options.push_back(all[i]);
    if (TakesValue(all[i++]) && i < all.size()) line.options.push_back(all[i++]);
  }
  line.words.assign(all.begin() + i, all.end());
  return line;
}

bool IsGroup(const std::string& word) {
  for (const Command& command : Commands()) {
    if (absl::StartsWith(command.name, word + " ")) return true;
  }
  return false;
}

std::vector<std::string> KnownWords(const std::string& group) {
  std::vector<std::string> known;
  for (const Command& command : Commands()) {
    if (!group.empty() && !absl::StartsWith(command.name, group + " ")) continue;
    const size_t begin = group.empty() ? 0 : group.size() + 1;
    known.push_back(command.name.substr(begin, command.name.find(' ', begin) - begin));
  }
  return known;
}

// Takes the words that name the command off the front of `words`.
absl::StatusOr<const Command*> TakeCommand(std::vector<std::string>* words) {
  std::string name = words->front();
  size_t taken = 1;
  std::string group;
  if (IsGroup(name)) {
    if (words->size() < 2) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " needs a command: see `acclimate ", name, " --help`"));
    }
    group = name;
    name = absl::StrCat(group, " ", (*words)[taken++]);
  }
  for (const Command& command : Commands()) {
    if (command.name != name) continue;
    words->erase(words->begin(), words->begin() + taken);
    return &command;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown command \"", name, "\"", DidYouMean((*words)[taken - 1], KnownWords(group))));
}

ExitCode UsageError(const absl::Status& status, bool json) {
  PrintError(status, json);
  return kUsage;
}

ExitCode RunCommand(const Command& command, const std::vector<std::string>& words, bool json,
                    Interrupt& interrupt) {
  ArgumentSpec spec = command.arguments;
  spec.options.insert(spec.options.end(), GlobalOptions().begin(), GlobalOptions().end());
  absl::StatusOr<Arguments> arguments = Arguments::Parse(spec, words);
  if (!arguments.ok()) return UsageError(arguments.status(), json);
  if (arguments->Has("help")) {
    PrintText(CommandHelp(command));
    return kSuccess;
  }
  const absl::StatusOr<client::ConnectionOptions> settings =
      ConnectionSettings(*arguments, [](const char* name) { return std::getenv(name); });
  if (!settings.ok()) return UsageError(settings.status(), json);
  client::Connection connection(*settings);
  Invocation invocation{*arguments, arguments->Has("json"), connection, interrupt};
  absl::StatusOr<ExitCode> code = command.run(invocation);
  if (code.ok()) return *code;
  absl::Status status = code.status();
  if (absl::IsUnavailable(status)) {
    status = absl::UnavailableError(
        absl::StrCat("cannot reach the server at ", settings->server, ": ", status.message()));
  }
  PrintError(status, invocation.json);
  if (absl::IsUnavailable(status)) return kUnreachable;
  return absl::IsInvalidArgument(status) ? kUsage : kFailed;
}

}  // namespace

namespace {

ExitCode RunLine(const std::vector<std::string>& all, Interrupt& interrupt) {
  CommandLine line = SplitAtCommand(all);
  const bool json = absl::c_linear_search(all, "--json");
  if (absl::c_linear_search(line.options, "--version")) {
    PrintText(absl::StrCat("acclimate ", ACCLIMATE_VERSION, "\n"));
    return kSuccess;
  }
  const bool help = absl::c_linear_search(line.options, "--help");
  if (line.words.empty()) {
    if (help) {
      PrintText(ProgramHelp());
      return kSuccess;
    }
    return UsageError(absl::InvalidArgumentError("no command given: see `acclimate --help`"), json);
  }
  if (IsGroup(line.words[0]) && (help || (line.words.size() == 2 && line.words[1] == "--help"))) {
    PrintText(GroupHelp(line.words[0]));
    return kSuccess;
  }
  absl::StatusOr<const Command*> command = TakeCommand(&line.words);
  if (!command.ok()) return UsageError(command.status(), json);
  line.options.insert(line.options.end(), line.words.begin(), line.words.end());
  return RunCommand(**command, line.options, json, interrupt);
}

}  // namespace

int RunProgram(const std::vector<std::string>& all, Interrupt& interrupt) {
  const ExitCode code = RunLine(all, interrupt);
  const absl::Status lost = LostOutput();
  if (lost.ok()) return code;
  PrintError(lost, /*json=*/false);
  return code == kSuccess ? kFailed : code;
}

}  // namespace acclimate::cli
