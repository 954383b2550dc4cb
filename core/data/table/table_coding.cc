#include "core/data/table/table_coding.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"
#include "core/data/table/missing_cells.h"

namespace acclimate::data {
namespace {

constexpr size_t kMostCategories = 256;

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What one pass over the rows finds of a column.
class ColumnSummary {
 public:
  explicit ColumnSummary(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }

  void Add(absl::string_view cell, int64_t line) {
    ++values_;
    double number = 0;
    if (!numeric_) {
      // Known to be text.
    } else if (absl::SimpleAtod(cell, &number) && std::isfinite(number)) {
      sum_ += number;
    } else {
      numeric_ = false;
      first_text_ = absl::StrCat("\"", cell, "\" on line ", line);
    }
    if (counts_.size() > kMostCategories) return;
    ++counts_[std::string(cell)];
  }

  absl::StatusOr<ColumnCoding> Coding(const std::string& file, bool categorical) const {
    if (values_ == 0) {
      return BadData(file, "column \"", name_, "\" has no values; leave it out by ignoring it");
    }
    ColumnCoding coding{name_, {}, {}};
    if (numeric_ && !categorical) {
      coding.means = {sum_ / static_cast<double>(values_)};
      return coding;
    }
    if (counts_.size() > kMostCategories) {
      return BadData(file, "column \"", name_, "\" has more than ", kMostCategories,
                     " different values",
                     numeric_ ? "" : absl::StrCat(", which are no numbers (", first_text_, ")"),
                     "; leave it out by ignoring it, or mend its values");
    }
    for (const auto& [category, count] : counts_) {
      coding.categories.push_back(category);
      coding.means.push_back(static_cast<double>(count) / static_cast<double>(values_));
    }
    return coding;
  }

 private:
  std::string name_;
  bool numeric_ = true;
  std::string first_text_;
  int64_t values_ = 0;
  double sum_ = 0;
  std::map<std::string, int64_t> counts_;
};

absl::Status CheckNamed(const CsvFile& file, const std::vector<std::string>& named,
                        const char* option) {
  for (const std::string& column : named) {
    if (Contains(file.columns(), column)) continue;
    return BadData(file.name(), option, ": there is no column \"", column,
                   "\"; there are: ", absl::StrJoin(file.columns(), ", "));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t TableCoding::features() const {
  int64_t count = 0;
  for (const ColumnCoding& column : columns) count += column.features();
  return count;
}

bool IsMissing(absl::string_view cell) {
  if (cell.empty() || cell == "?") return true;
  if (cell.size() > 4) return false;
  const std::string lower = absl::AsciiStrToLower(cell);
  return lower == "na" || lower == "n/a" || lower == "nan" || lower == "null" || lower == "none";
}

absl::StatusOr<TableCoding> MakeTableCoding(const CsvFile& file, const TableOptions& options) {
  absl::Status status = CheckNamed(file, options.ignored, "ignored_columns");
  status.Update(CheckNamed(file, options.categorical, "categorical_columns"));
  if (!status.ok()) return status;
  std::vector<ColumnSummary> summaries;
  std::vector<size_t> places;  // of each summary's column in a row
  for (size_t i = 0; i < file.columns().size(); ++i) {
    const std::string& column = file.columns()[i];
    if (column.empty() || column == options.label_column || Contains(options.ignored, column)) {
      continue;
    }
    summaries.emplace_back(column);
    places.push_back(i);
  }
  if (summaries.empty()) return BadData(file.name(), "no column is left to be a feature");
  MissingCells missing;
  status = file.ReadRows([&](const std::vector<absl::string_view>& fields, int64_t line) {
    for (size_t i = 0; i < places.size(); ++i) {
      const absl::string_view cell = fields[places[i]];
      if (IsMissing(cell)) {
        missing.Add(summaries[i].name(), line);
      } else {
        summaries[i].Add(cell, line);
      }
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  TableCoding coding;
  coding.label_column = options.label_column;
  if (!options.missing.empty()) coding.missing = options.missing;
  if (coding.missing == "refuse") {
    if (status = missing.Refusal(file.name(), kMissingAdvice); !status.ok()) return status;
  }
  for (const ColumnSummary& summary : summaries) {
    absl::StatusOr<ColumnCoding> column =
        summary.Coding(file.name(), Contains(options.categorical, summary.name()));
    if (!column.ok()) return column.status();
    coding.columns.push_back(*std::move(column));
  }
  return coding;
}

nlohmann::json ToJson(const TableCoding& coding) {
  nlohmann::json columns = nlohmann::json::array();
  for (const ColumnCoding& column : coding.columns) {
    nlohmann::json entry = {{"name", column.name}, {"means", column.means}};
    if (!column.categories.empty()) entry["categories"] = column.categories;
    columns.push_back(std::move(entry));
  }
  return {{"columns", std::move(columns)},
          {"label_column", coding.label_column},
          {"missing", coding.missing}};
}

absl::StatusOr<TableCoding> TableCodingFromJson(const nlohmann::json& json) {
  TableCoding coding;
  try {
    for (const nlohmann::json& entry : json.at("columns")) {
      ColumnCoding column;
      column.name = entry.at("name").get<std::string>();
      column.means = entry.at("means").get<std::vector<double>>();
      if (entry.contains("categories")) {
        column.categories = entry["categories"].get<std::vector<std::string>>();
      }
      if (static_cast<int64_t>(column.means.size()) != column.features()) {
        return absl::InvalidArgumentError("means and categories differ in number");
      }
      coding.columns.push_back(std::move(column));
    }
    coding.label_column = json.at("label_column").get<std::string>();
    coding.missing = json.at("missing").get<std::string>();
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
  if (coding.columns.empty()) return absl::InvalidArgumentError("it has no columns");
  return coding;
}

}  // namespace acclimate::data
