// Declares what a command takes, and reads it: one table serves parsing, --help and completion.
#ifndef ACCLIMATE_CLIENT_CLI_ARGUMENTS_H_
#define ACCLIMATE_CLIENT_CLI_ARGUMENTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::cli {

enum class ValueKind {
  kSwitch,  // takes no value
  kText,
  kFile,    // completed as a file name
  kFolder,  // completed as a folder
  kInteger,
  kInteger32,  // what the API holds in 32 bits
  kNumbers,    // one or several, separated by commas
  kKeyValue,   // key=value
};

// "0.4,0.5"; absent where one of them is no number.
std::optional<std::vector<double>> ParseNumbers(absl::string_view text);

struct OptionSpec {
  std::string name;  // without the dashes
  ValueKind kind = ValueKind::kText;
  std::string value_name;  // in --help: "FILE"; empty for a switch
  std::string help;
  bool required = false;
  bool repeatable = false;
  std::vector<std::string> choices = {};  // when not empty: nothing else is taken, unless `others`
  bool others = false;
};

struct PositionalSpec {
  std::string name;  // in --help: "NAME"
  std::string help;
  bool required = true;
  bool repeatable = false;  // the last one only
  ValueKind kind = ValueKind::kText;
  std::vector<std::string> choices = {};
};

struct ArgumentSpec {
  std::vector<PositionalSpec> positionals;
  std::vector<OptionSpec> options;
};

// What was given. Values have been checked against their kinds, so that the typed readers cannot
// fail.
class Arguments {
 public:
  // Options may stand before, between and after the positionals, as --name VALUE or --name=VALUE;
  // "--" ends them. INVALID_ARGUMENT: one line, with the nearest right spelling where there is one.
  static absl::StatusOr<Arguments> Parse(const ArgumentSpec& spec,
                                         const std::vector<std::string>& words);

  bool Has(const std::string& option) const { return options_.count(option) > 0; }
  // The last one given, or `otherwise`.
  std::string Text(const std::string& option, const std::string& otherwise = "") const;
  std::vector<std::string> All(const std::string& option) const;
  int64_t Integer(const std::string& option, int64_t otherwise) const;
  std::vector<double> Numbers(const std::string& option) const;
  std::vector<std::pair<std::string, std::string>> KeyValues(const std::string& option) const;
  const std::vector<std::string>& positionals() const { return positionals_; }

 private:
  std::map<std::string, std::vector<std::string>> options_;
  std::vector<std::string> positionals_;
};

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_ARGUMENTS_H_
