#include "client/cli/report_text.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace acclimate::cli {
namespace {

constexpr size_t kColumns = 80;

}  // namespace

std::string Wrapped(const std::string& text) {
  std::string wrapped;
  size_t column = 0;
  for (const auto word : absl::StrSplit(text, ' ')) {
    if (column > 0 && column + 1 + word.size() > kColumns) {
      absl::StrAppend(&wrapped, "\n");
      column = 0;
    } else if (column > 0) {
      absl::StrAppend(&wrapped, " ");
      ++column;
    }
    absl::StrAppend(&wrapped, word);
    column += word.size();
  }
  return wrapped + "\n";
}

namespace {

constexpr size_t kMostClasses = 20;  // of many, those that came out worst

// "<metric>_low" and "<metric>_high" are the ends of its interval.
constexpr char kEstimateBefore[] = "estimated_source_accuracy";
constexpr char kEstimateAfter[] = "estimated_accuracy";

std::string Text(const Json& value) { return value.is_string() ? value.get<std::string>() : ""; }

// "0.0123" or, of what the report holds as null, "-".
std::string NumberText(const Json& value) {
  return value.is_number() ? absl::StrFormat("%.4f", value.get<double>()) : "-";
}

std::string PercentText(const Json& share) {
  return share.is_number() ? absl::StrFormat("%.1f %%", 100 * share.get<double>()) : "-";
}

// The field, or null.
Json Field(const Json& object, const std::string& name) {
  return object.is_object() && object.contains(name) ? object.at(name) : Json();
}

// Columns as wide as their cells: the first to the left, the others to the right.
std::string TableText(const std::vector<std::vector<std::string>>& rows) {
  std::vector<int> widths(rows.front().size(), 0);
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], static_cast<int>(row[i].size()));
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    std::string line = absl::StrFormat("%-*s", widths[0], row[0]);
    for (size_t i = 1; i < row.size(); ++i) {
      absl::StrAppendFormat(&line, "  %*s", widths[i], row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string MatrixText(const Json& matrix) {
  std::vector<std::vector<std::string>> rows = {{""}};
  for (const Json& measure : matrix.at("measures")) rows[0].push_back(Text(measure));
  for (size_t i = 0; i < matrix.at("places").size(); ++i) {
    rows.push_back({Text(matrix.at("places")[i])});
    for (const Json& value : matrix.at("values").at(i)) rows.back().push_back(NumberText(value));
  }
  return TableText(rows);
}

std::string VerdictText(const Json& verdict) {
  std::vector<std::string> fit;
  for (const Json& method : verdict.at("methods_that_fit")) fit.push_back(Text(method));
  std::string text = absl::StrCat(
      Wrapped(Text(verdict.at("sentence"))), "\n",
      Wrapped(absl::StrCat("methods that fit: ", fit.empty() ? "none" : absl::StrJoin(fit, ", "))),
      "methods that cannot work here\n");
  for (const Json& method : verdict.at("methods_that_cannot")) {
    absl::StrAppend(&text, "  ", Text(method.at("name")), ": ", Text(method.at("reason")), "\n");
  }
  const Json& bound = verdict.at("ben_david");
  absl::StrAppend(&text, "target error <= source error ", NumberText(bound.at("source_error")),
                  " + divergence ", NumberText(bound.at("divergence")), " + lambda\n");
  for (const Json& unknown : bound.at("cannot_be_known")) {
    absl::StrAppend(&text, "  ", Text(unknown), "\n");
  }
  return text;
}

// Checkpoints to start from, the best by LogME first; nothing where there is only one.
std::string RankingText(const Json& transferability) {
  constexpr const char* kScores[] = {"logme", "leep", "nce", "h_score", "transrate"};
  std::vector<Json> models = Field(transferability, "models").get<std::vector<Json>>();
  if (models.size() < 2) return "";
  const auto logme = [](const Json& model) {
    const Json score = Field(model, "logme");
    return score.is_number() ? score.get<double>() : std::numeric_limits<double>::lowest();
  };
  std::stable_sort(models.begin(), models.end(),
                   [&](const Json& a, const Json& b) { return logme(a) > logme(b); });
  std::vector<std::vector<std::string>> rows = {{"model"}};
  for (const char* score : kScores) rows[0].push_back(score);
  for (const Json& model : models) {
    rows.push_back({Text(model.at("model"))});
    for (const char* score : kScores) rows.back().push_back(NumberText(Field(model, score)));
  }
  return absl::StrCat("\n", Wrapped(Text(transferability.at("meaning"))), TableText(rows));
}

std::string DiagnosisBody(const Json& diagnosis) {
  const Json transferability = Field(diagnosis, "transferability");
  return absl::StrCat(VerdictText(diagnosis.at("verdict")), "\n",
                      MatrixText(diagnosis.at("matrix")),
                      transferability.is_null() ? "" : RankingText(transferability));
}

std::string AccuracyText(const Json& report) {
  std::vector<std::vector<std::string>> rows = {{"", "accuracy", "from", "to"}};
  const auto add = [&rows](const std::string& name, const Json& share, const Json& low,
                           const Json& high) {
    if (!share.is_number()) return;
    rows.push_back({name, PercentText(share), PercentText(low), PercentText(high)});
  };
  add("measured before", Field(Field(report, "source_only"), "accuracy"), {}, {});
  add("measured after", Field(Field(report, "adapted"), "accuracy"), {}, {});
  add("measured", Field(report, "accuracy"), {}, {});
  const Json audit = Field(report, "audit");
  for (const auto& [name, field] : {std::pair("audited before", "source"),
                                    {"audited after", "returned"},
                                    {"audited gain", "gain"}}) {
    const Json interval = Field(audit, field);
    add(name, Field(interval, "value"), Field(interval, "low"), Field(interval, "high"));
  }
  const Json metrics = Field(report, "metrics");
  for (const char* name : {kEstimateBefore, kEstimateAfter}) {
    add(name == kEstimateBefore ? "estimated before" : "estimated after", Field(metrics, name),
        Field(metrics, absl::StrCat(name, "_low")), Field(metrics, absl::StrCat(name, "_high")));
  }
  return rows.size() == 1 ? "" : absl::StrCat("\n", TableText(rows));
}

// The first `count` classes, or, where there are more, those with the lowest accuracy.
std::vector<size_t> ShownClasses(const Json& accuracies, size_t count) {
  std::vector<size_t> classes(accuracies.size());
  std::iota(classes.begin(), classes.end(), 0);
  if (classes.size() <= count) return classes;
  // A class without samples has null, which is no accuracy to worry about.
  const auto accuracy = [&accuracies](size_t c) {
    return accuracies[c].is_number() ? accuracies[c].get<double>() : 1.0;
  };
  std::stable_sort(classes.begin(), classes.end(),
                   [&](size_t a, size_t b) { return accuracy(a) < accuracy(b); });
  classes.resize(count);
  return classes;
}

}  // namespace

std::string ClassName(const Json& report, size_t number) {
  const Json names = Field(report, "class_names");
  const bool named = names.is_array() && number < names.size() && names[number].is_string();
  return named ? names[number].get<std::string>() : absl::StrCat(number);
}

namespace {

// Accuracy by true class, before and after.
std::string ClassText(const Json& report) {
  constexpr char kField[] = "per_class_accuracy";
  std::vector<std::pair<std::string, Json>> columns;
  const std::vector<std::pair<std::string, Json>> all = {
      {"before", Field(Field(report, "source_only"), kField)},
      {"after", Field(Field(report, "adapted"), kField)},
      {"accuracy", Field(report, kField)}};
  for (const auto& column : all) {
    if (column.second.is_array()) columns.push_back(column);
  }
  if (columns.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"class"}};
  for (const auto& [name, values] : columns) rows[0].push_back(name);
  for (const size_t i : ShownClasses(columns.back().second, kMostClasses)) {
    rows.push_back({ClassName(report, i)});
    for (const auto& [name, values] : columns) rows.back().push_back(PercentText(values.at(i)));
  }
  return absl::StrCat("\n", TableText(rows));
}

std::string SelectionText(const Json& selection) {
  if (selection.is_null() || selection.at("candidates").empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"candidate", "score", "estimated accuracy", ""}};
  const std::string chosen = Text(selection.at("chosen"));
  for (const Json& candidate : selection.at("candidates")) {
    const std::string name = Text(candidate.at("name"));
    rows.push_back({name, NumberText(candidate.at("ensemble")),
                    PercentText(candidate.at("estimated_accuracy")),
                    name == chosen ? "returned" : ""});
  }
  return absl::StrCat("\n", TableText(rows));
}

std::string RaceText(const Json& race) {
  if (race.is_null()) return "";
  std::vector<std::vector<std::string>> rows = {
      {"race", "share of plan", "score", "estimated accuracy", ""}};
  for (const Json& round : race.at("rounds")) {
    for (const Json& racer : round.at("racers")) {
      const char* fate = racer.at("failed").get<bool>()    ? "diverged"
                         : racer.at("goes_on").get<bool>() ? "goes on"
                                                           : "out";
      rows.push_back({Text(racer.at("method")), PercentText(round.at("share_of_plan")),
                      NumberText(Field(racer, "ensemble")),
                      PercentText(Field(Field(racer, "best"), "estimated_accuracy")), fate});
    }
  }
  std::string text = absl::StrCat("\n", TableText(rows), Wrapped(Text(race.at("why"))));
  for (const Json& dropped : race.at("dropped")) {
    absl::StrAppend(
        &text, Wrapped(absl::StrCat(Text(dropped.at("method")), ": ", Text(dropped.at("reason")))));
  }
  return text;
}

std::string CostText(const Json& report) {
  std::vector<std::string> parts;
  double seconds = 0;
  for (const Json& phase : Field(report, "seconds")) seconds += phase.get<double>();
  if (seconds > 0) parts.push_back(absl::StrFormat("%.1f s", seconds));
  const Json cost = Field(report, "cost");
  if (const Json core = Field(cost, "core_seconds"); core.is_number()) {
    parts.push_back(absl::StrFormat("%.1f core seconds", core.get<double>()));
  }
  if (const Json peak = Field(cost, "peak_bytes"); peak.is_number()) {
    parts.push_back(absl::StrCat(ByteText(peak.get<int64_t>()), " at most"));
  }
  if (const Json steps = Field(report, "steps"); steps.is_number()) {
    parts.push_back(absl::StrCat(steps.get<int64_t>(), " steps"));
  }
  if (parts.empty()) return "";
  std::string text = absl::StrCat("\ncost: ", absl::StrJoin(parts, ", "), "\n");
  const Json anew = Field(cost, "training_anew");
  if (const Json share = Field(anew, "share_of_core_seconds"); share.is_number()) {
    absl::StrAppend(
        &text, Wrapped(absl::StrFormat(
                   "training anew on a labelled target instead: %.1f core seconds (this run: "
                   "%.0f %% of them) and %d labels (this run: %d)",
                   Field(anew, "core_seconds").get<double>(), 100 * share.get<double>(),
                   Field(anew, "labels").get<int64_t>(), Field(cost, "labels").get<int64_t>())));
  }
  if (const Json even = Field(anew, "break_even_per_label"); even.is_number()) {
    absl::StrAppend(&text, Wrapped(absl::StrFormat(
                               "this run is the cheaper one where a label costs more than %.2g "
                               "core seconds",
                               even.get<double>())));
  }
  return text;
}

std::string ReportBody(const Json& report) {
  const Json diagnosis = Field(report, "diagnosis");
  std::string text;
  if (!diagnosis.is_null() && !report.contains("race")) {
    text = DiagnosisBody(diagnosis);
  } else {
    const std::string verdict = Text(Field(report, "verdict"));
    text = Wrapped(verdict.empty() ? "this report holds no verdict" : verdict);
    if (!diagnosis.is_null()) {
      absl::StrAppend(&text, Wrapped(Text(diagnosis.at("verdict").at("sentence"))));
    }
  }
  for (const Json& warning : Field(report, "warnings")) {
    absl::StrAppend(&text, Wrapped(absl::StrCat("warning: ", Text(warning))));
  }
  absl::StrAppend(&text, AccuracyText(report), ClassText(report),
                  SelectionText(Field(report, "selection")), RaceText(Field(report, "race")),
                  CostText(report));
  return text;
}

absl::StatusOr<std::string> OrDataLoss(const Json& json, std::string (*body)(const Json&)) {
  try {
    return body(json);
  } catch (const Json::exception& error) {
    return absl::DataLossError(absl::StrCat("the report: ", error.what()));
  }
}

}  // namespace

absl::StatusOr<std::string> ReportText(const Json& report) {
  return OrDataLoss(report, &ReportBody);
}

absl::StatusOr<std::string> DiagnosisText(const Json& diagnosis) {
  return OrDataLoss(diagnosis, &DiagnosisBody);
}

}  // namespace acclimate::cli
