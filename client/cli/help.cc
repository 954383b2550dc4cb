#include "client/cli/help.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace acclimate::cli {
namespace {

constexpr char kExitCodes[] = R"(
Exit codes:
  0    success
  1    the job failed or was cancelled, or the server refused the call
  2    wrong arguments
  3    no server answered
  130  Ctrl-C: a submitted job goes on; `acclimate jobs watch NAME` comes back to it
)";

// Two columns: what stands on the left, and what it means.
class Table {
 public:
  void Add(std::string left, std::string right) {
    width_ = std::max(width_, left.size());
    rows_.emplace_back(std::move(left), std::move(right));
  }

  std::string Text() const {
    std::string text;
    for (const auto& [left, right] : rows_) {
      absl::StrAppend(&text, "  ", left, std::string(width_ - left.size() + 2, ' '), right, "\n");
    }
    return text;
  }

 private:
  size_t width_ = 0;
  std::vector<std::pair<std::string, std::string>> rows_;
};

std::string OptionUsage(const OptionSpec& option) {
  const std::string usage = option.kind == ValueKind::kSwitch
                                ? absl::StrCat("--", option.name)
                                : absl::StrCat("--", option.name, " ", option.value_name);
  return absl::StrCat(option.required ? usage : absl::StrCat("[", usage, "]"),
                      option.repeatable ? "..." : "");
}

std::string PositionalUsage(const PositionalSpec& positional) {
  return absl::StrCat(
      positional.required ? positional.name : absl::StrCat("[", positional.name, "]"),
      positional.repeatable ? "..." : "");
}

std::string OptionTable(const std::vector<OptionSpec>& options) {
  Table table;
  for (const OptionSpec& option : options) {
    std::string help = option.help;
    if (!option.choices.empty() && !option.others) {
      absl::StrAppend(&help, " (", absl::StrJoin(option.choices, ", "), ")");
    }
    if (option.repeatable) absl::StrAppend(&help, "; may be repeated");
    table.Add(absl::StrCat("--", option.name, option.kind == ValueKind::kSwitch ? "" : " ",
                           option.value_name),
              help);
  }
  return table.Text();
}

std::string CommandTable(const std::string& prefix) {
  Table table;
  for (const Command& command : Commands()) {
    if (absl::StartsWith(command.name, prefix)) table.Add(command.name, command.summary);
  }
  return table.Text();
}

}  // namespace

std::string ProgramHelp() {
  return absl::StrCat(
      "Usage: acclimate [--server ADDR] COMMAND [OPTIONS]\n\n"
      "Sends a trained model and data from the place where it must work to an Acclimate\n"
      "server, and brings back a model that works there.\n\nCommands:\n",
      CommandTable(""), "\nOptions of every command:\n", OptionTable(GlobalOptions()), kExitCodes,
      "\n`acclimate COMMAND --help` tells more about each.\n");
}

std::string GroupHelp(const std::string& group) {
  return absl::StrCat("Usage: acclimate ", group, " COMMAND [OPTIONS]\n\nCommands:\n",
                      CommandTable(group + " "));
}

std::string CommandHelp(const Command& command) {
  std::string usage = absl::StrCat("Usage: acclimate ", command.name);
  Table positionals;
  for (const PositionalSpec& positional : command.arguments.positionals) {
    absl::StrAppend(&usage, " ", PositionalUsage(positional));
    positionals.Add(positional.name, positional.help);
  }
  for (const OptionSpec& option : command.arguments.options) {
    if (option.required) absl::StrAppend(&usage, " ", OptionUsage(option));
  }
  std::string text = absl::StrCat(usage, " [OPTIONS]\n\n", command.summary, ".\n");
  if (!command.description.empty()) absl::StrAppend(&text, "\n", command.description, "\n");
  if (!command.arguments.positionals.empty()) {
    absl::StrAppend(&text, "\nArguments:\n", positionals.Text());
  }
  if (!command.arguments.options.empty()) {
    absl::StrAppend(&text, "\nOptions:\n", OptionTable(command.arguments.options));
  }
  return absl::StrCat(text, "\nOptions of every command:\n", OptionTable(GlobalOptions()));
}

}  // namespace acclimate::cli
