#include "core/methods/method_spec.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace acclimate::methods {
namespace {

constexpr const char* kTypeNames[] = {"an integer", "a number", "true or false", "text"};

const HyperparameterSpec* Find(const MethodSpec& spec, const std::string& name) {
  for (const HyperparameterSpec& hyperparameter : spec.hyperparameters) {
    if (hyperparameter.name == name) return &hyperparameter;
  }
  return nullptr;
}

// `value` in the type of `spec`'s default: an integer becomes a real number where one is expected.
HyperparameterValue Convert(const HyperparameterSpec& spec, const HyperparameterValue& value) {
  if (std::holds_alternative<double>(spec.default_value) &&
      std::holds_alternative<int64_t>(value)) {
    return static_cast<double>(std::get<int64_t>(value));
  }
  return value;
}

std::string RangeProblem(const HyperparameterSpec& spec, double number) {
  if (!std::isfinite(number)) return "must be finite";
  const bool below = spec.exclusive_minimum ? number <= spec.minimum : number < spec.minimum;
  if (!below && number <= spec.maximum) return "";
  return absl::StrCat(number, " is outside ", spec.exclusive_minimum ? "(" : "[", spec.minimum,
                      ", ", spec.maximum, "]");
}

// Empty when `value` may be what `spec` describes.
std::string Problem(const HyperparameterSpec& spec, const HyperparameterValue& given) {
  const HyperparameterValue value = Convert(spec, given);
  if (value.index() != spec.default_value.index()) {
    return absl::StrCat("must be ", kTypeNames[spec.default_value.index()], ", not ",
                        kTypeNames[value.index()]);
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) return RangeProblem(spec, *integer);
  if (const auto* real = std::get_if<double>(&value)) return RangeProblem(spec, *real);
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (std::find(spec.choices.begin(), spec.choices.end(), *text) == spec.choices.end()) {
      return absl::StrCat("\"", *text, "\" is none of ", absl::StrJoin(spec.choices, ", "));
    }
  }
  return "";
}

std::string UnknownName(const MethodSpec& spec) {
  if (spec.hyperparameters.empty()) return absl::StrCat(spec.name, " takes no hyperparameters");
  return absl::StrCat("unknown; ", spec.name, " takes ",
                      absl::StrJoin(spec.hyperparameters, ", ",
                                    [](std::string* out, const HyperparameterSpec& known) {
                                      absl::StrAppend(out, known.name);
                                    }));
}

}  // namespace

std::vector<HyperparameterProblem> CheckHyperparameters(const MethodSpec& spec,
                                                        const Hyperparameters& given) {
  std::vector<HyperparameterProblem> problems;
  for (const auto& [name, value] : given) {
    const HyperparameterSpec* known = Find(spec, name);
    std::string message = known == nullptr ? UnknownName(spec) : Problem(*known, value);
    if (!message.empty()) problems.push_back({name, std::move(message)});
  }
  return problems;
}

absl::StatusOr<Hyperparameters> ResolveHyperparameters(const MethodSpec& spec,
                                                       const Hyperparameters& given) {
  const std::vector<HyperparameterProblem> problems = CheckHyperparameters(spec, given);
  if (!problems.empty()) {
    return absl::InvalidArgumentError(
        absl::StrJoin(problems, "; ", [](std::string* out, const HyperparameterProblem& problem) {
          absl::StrAppend(out, "hyperparameters.", problem.name, ": ", problem.description);
        }));
  }
  Hyperparameters resolved;
  for (const HyperparameterSpec& known : spec.hyperparameters) {
    const auto it = given.find(known.name);
    resolved[known.name] = it == given.end() ? known.default_value : Convert(known, it->second);
  }
  return resolved;
}

}  // namespace acclimate::methods
