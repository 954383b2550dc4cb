#include "client/cli/arguments.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/spelling.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<const OptionSpec*> FindOption(const ArgumentSpec& spec, const std::string& name) {
  std::vector<std::string> known;
  for (const OptionSpec& option : spec.options) {
    if (option.name == name) return &option;
    known.push_back("--" + option.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown option --", name, DidYouMean("--" + name, known)));
}

absl::Status CheckChoice(const std::string& subject, const std::vector<std::string>& choices,
                         const std::string& value) {
  if (choices.empty() || std::count(choices.begin(), choices.end(), value) > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(subject, ": \"", value, "\" is not one of ",
                                                 absl::StrJoin(choices, ", "),
                                                 DidYouMean(value, choices)));
}

absl::Status CheckValue(const OptionSpec& option, const std::string& value) {
  const std::string subject = "--" + option.name;
  auto wrong = [&](const char* wanted) {
    return absl::InvalidArgumentError(absl::StrCat(subject, ": \"", value, "\" is not ", wanted));
  };
  int64_t integer;
  int32_t integer32;
  switch (option.kind) {
    case ValueKind::kInteger:
      if (!absl::SimpleAtoi(value, &integer)) return wrong("an integer");
      break;
    case ValueKind::kInteger32:
      if (!absl::SimpleAtoi(value, &integer32)) return wrong("an integer of 32 bits");
      break;
    case ValueKind::kNumbers:
      if (!ParseNumbers(value)) return wrong("a number, or numbers with commas");
      break;
    case ValueKind::kKeyValue:
      if (value.find('=') == std::string::npos || value[0] == '=') return wrong("key=value");
      break;
    case ValueKind::kFile:
    case ValueKind::kFolder:
      if (value.empty()) return wrong("a path");
      break;
    case ValueKind::kText:
    case ValueKind::kSwitch:
      break;
  }
  return option.others ? absl::OkStatus() : CheckChoice(subject, option.choices, value);
}

absl::Status CheckPositionals(const ArgumentSpec& spec, const std::vector<std::string>& given) {
  for (size_t i = 0; i < given.size(); ++i) {
    const bool extra = i >= spec.positionals.size();
    if (extra && (spec.positionals.empty() || !spec.positionals.back().repeatable)) {
      return absl::InvalidArgumentError(absl::StrCat("unexpected argument \"", given[i], "\""));
    }
    const PositionalSpec& positional = extra ? spec.positionals.back() : spec.positionals[i];
    absl::Status status = CheckChoice(positional.name, positional.choices, given[i]);
    if (!status.ok()) return status;
  }
  for (size_t i = given.size(); i < spec.positionals.size(); ++i) {
    if (!spec.positionals[i].required) continue;
    return absl::InvalidArgumentError(absl::StrCat(spec.positionals[i].name, " is missing"));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<std::vector<double>> ParseNumbers(absl::string_view text) {
  std::vector<double> numbers;
  for (absl::string_view number : absl::StrSplit(text, ',')) {
    if (!absl::SimpleAtod(number, &numbers.emplace_back())) return std::nullopt;
  }
  return numbers;
}

absl::StatusOr<Arguments> Arguments::Parse(const ArgumentSpec& spec,
                                           const std::vector<std::string>& words) {
  Arguments arguments;
  bool options_ended = false;
  for (size_t i = 0; i < words.size(); ++i) {
    absl::string_view word = words[i];
    if (word == "--" && !options_ended) {
      options_ended = true;
      continue;
    }
    if (options_ended || !absl::ConsumePrefix(&word, "--")) {
      if (!options_ended && word.size() > 1 && word[0] == '-') {
        return absl::InvalidArgumentError(
            absl::StrCat("unknown option ", word, "; options are written --name"));
      }
      arguments.positionals_.push_back(words[i]);
      continue;
    }
    const std::vector<std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
    absl::StatusOr<const OptionSpec*> option = FindOption(spec, parts[0]);
    if (!option.ok()) return option.status();
    std::string value;
    if ((*option)->kind == ValueKind::kSwitch) {
      if (parts.size() == 2) {
        return absl::InvalidArgumentError(absl::StrCat("--", parts[0], " takes no value"));
      }
    } else if (parts.size() == 2) {
      value = parts[1];
    } else if (i + 1 < words.size()) {
      value = words[++i];
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--", parts[0], " needs a value: ", (*option)->value_name));
    }
    absl::Status status = CheckValue(**option, value);
    if (!status.ok()) return status;
    std::vector<std::string>& values = arguments.options_[parts[0]];
    if (!values.empty() && !(*option)->repeatable) {
      return absl::InvalidArgumentError(absl::StrCat("--", parts[0], " is given twice"));
    }
    values.push_back(value);
  }
  if (arguments.Has("help")) return arguments;  // the rest need not be complete
  for (const OptionSpec& option : spec.options) {
    if (option.required && !arguments.Has(option.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", option.name, " ", option.value_name, " is missing"));
    }
  }
  absl::Status status = CheckPositionals(spec, arguments.positionals_);
  if (!status.ok()) return status;
  return arguments;
}

std::string Arguments::Text(const std::string& option, const std::string& otherwise) const {
  auto found = options_.find(option);
  return found == options_.end() ? otherwise : found->second.back();
}

std::vector<std::string> Arguments::All(const std::string& option) const {
  auto found = options_.find(option);
  return found == options_.end() ? std::vector<std::string>() : found->second;
}

int64_t Arguments::Integer(const std::string& option, int64_t otherwise) const {
  int64_t value = otherwise;
  if (Has(option)) (void)absl::SimpleAtoi(Text(option), &value);
  return value;
}

std::vector<double> Arguments::Numbers(const std::string& option) const {
  std::vector<double> numbers;
  for (const std::string& value : All(option)) {
    const std::optional<std::vector<double>> parsed = ParseNumbers(value);
    if (parsed) numbers.insert(numbers.end(), parsed->begin(), parsed->end());
  }
  return numbers;
}

std::vector<std::pair<std::string, std::string>> Arguments::KeyValues(
    const std::string& option) const {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& value : All(option)) {
    pairs.push_back(absl::StrSplit(value, absl::MaxSplits('=', 1)));
  }
  return pairs;
}

}  // namespace acclimate::cli
