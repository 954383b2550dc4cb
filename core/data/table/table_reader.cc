#include "core/data/table/table_reader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"
#include "core/data/table/missing_cells.h"

namespace acclimate::data {
namespace {

// Where the coding's columns lie in the rows of a file.
struct Layout {
  std::vector<size_t> columns;  // for each of the coding's
  std::optional<size_t> label;
  std::vector<std::string> left_out;
};

absl::StatusOr<Layout> FindColumns(const CsvFile& file, const TableCoding& coding,
                                   const std::vector<std::string>& ignored) {
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < file.columns().size(); ++i) place[file.columns()[i]] = i;
  Layout layout;
  std::set<std::string> used(ignored.begin(), ignored.end());
  std::vector<std::string> lacking;
  for (const ColumnCoding& column : coding.columns) {
    const auto found = place.find(column.name);
    if (found == place.end()) {
      lacking.push_back(column.name);
    } else {
      layout.columns.push_back(found->second);
    }
    used.insert(column.name);
  }
  if (!lacking.empty()) {
    return BadData(file.name(), lacking.size() == 1 ? "lacks the column " : "lacks the columns ",
                   absl::StrJoin(lacking, ", "), "; has ", absl::StrJoin(file.columns(), ", "));
  }
  const auto label = place.find(coding.label_column);
  if (!coding.label_column.empty() && label != place.end()) layout.label = label->second;
  used.insert(coding.label_column);
  for (const std::string& column : file.columns()) {
    if (used.count(column) == 0 && !column.empty()) layout.left_out.push_back(column);
  }
  return layout;
}

// Rows as floats, and what was odd about them.
class RowCoder {
 public:
  RowCoder(const CsvFile& file, const TableCoding& coding, const Layout& layout)
      : file_(file), coding_(coding), layout_(layout) {
    for (const ColumnCoding& column : coding.columns) {
      std::map<absl::string_view, int64_t>& index = category_index_.emplace_back();
      for (size_t i = 0; i < column.categories.size(); ++i) {
        index[column.categories[i]] = static_cast<int64_t>(i);
      }
    }
  }

  absl::Status Add(const std::vector<absl::string_view>& fields, int64_t line) {
    for (size_t i = 0; i < coding_.columns.size(); ++i) {
      absl::Status status = AddCell(i, fields[layout_.columns[i]], line);
      if (!status.ok()) return status;
    }
    ++rows_;
    if (!layout_.label) return absl::OkStatus();
    const absl::string_view label = fields[*layout_.label];
    if (IsMissing(label)) {
      missing_labels_.Add(coding_.label_column, line);
    } else {
      labels_.Add(label, absl::StrCat("line ", line));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<TableSamples> Take() {
    if (rows_ == 0) return BadData(file_.name(), "holds no rows under its header");
    if (coding_.missing == "refuse") {
      absl::Status status = missing_.Refusal(file_.name(), kMissingAdvice);
      if (!status.ok()) return status;
    }
    TableSamples samples;
    if (missing_labels_.count() > 0 && missing_labels_.count() < rows_) {
      samples.label_status =
          missing_labels_.Refusal(file_.name(), "label every row, or leave the column out");
      labels_ = ClassTexts();
    }
    samples.inputs = at::empty({rows_, coding_.features()}, at::kFloat);
    std::copy(values_.begin(), values_.end(), samples.inputs.data_ptr<float>());
    samples.labels = std::move(labels_);
    if (!layout_.left_out.empty()) {
      samples.warnings.push_back(
          absl::StrCat(file_.name(), ": columns that the model does not know are left out: ",
                       absl::StrJoin(layout_.left_out, ", ")));
    }
    for (const auto& [column, stranger] : strangers_) {
      samples.warnings.push_back(absl::StrCat(
          file_.name(), ": ", stranger.count, " rows have a category in \"",
          coding_.columns[column].name, "\" that the model does not know, first \"", stranger.first,
          "\" on line ", stranger.line, "; it counts as none of the known ones"));
    }
    if (missing_.count() > 0) {
      samples.warnings.push_back(absl::StrCat(file_.name(), ": ", missing_.count(),
                                              " missing values are the mean of their column in the "
                                              "table that the coding is made from"));
    }
    return samples;
  }

 private:
  struct Strangers {
    int64_t count = 0;
    std::string first;
    int64_t line = 0;
  };

  absl::Status AddCell(size_t index, absl::string_view cell, int64_t line) {
    const ColumnCoding& column = coding_.columns[index];
    if (IsMissing(cell)) {
      missing_.Add(column.name, line);
      values_.insert(values_.end(), column.means.begin(), column.means.end());
      return absl::OkStatus();
    }
    if (column.categories.empty()) {
      double number = 0;
      if (!absl::SimpleAtod(cell, &number) || !std::isfinite(number)) {
        return BadData(file_.name(), "line ", line, ": \"", cell, "\" in the column \"",
                       column.name, "\" is no finite number");
      }
      values_.push_back(static_cast<float>(number));
      return absl::OkStatus();
    }
    const size_t begin = values_.size();
    values_.resize(begin + column.categories.size(), 0.0f);
    const auto category = category_index_[index].find(cell);
    if (category != category_index_[index].end()) {
      values_[begin + category->second] = 1.0f;
    } else if (Strangers& strangers = strangers_[index]; strangers.count++ == 0) {
      strangers.first = std::string(cell);
      strangers.line = line;
    }
    return absl::OkStatus();
  }

  const CsvFile& file_;
  const TableCoding& coding_;
  const Layout& layout_;
  std::vector<std::map<absl::string_view, int64_t>> category_index_;  // for each column
  std::vector<float> values_;
  int64_t rows_ = 0;
  ClassTexts labels_;
  MissingCells missing_, missing_labels_;
  std::map<size_t, Strangers> strangers_;  // by column
};

}  // namespace

absl::StatusOr<TableSamples> ReadTable(const CsvFile& file, const TableCoding& coding,
                                       const std::vector<std::string>& ignored) {
  const absl::StatusOr<Layout> layout = FindColumns(file, coding, ignored);
  if (!layout.ok()) return layout.status();
  RowCoder coder(file, coding, *layout);
  absl::Status status =
      file.ReadRows([&coder](const auto& fields, int64_t line) { return coder.Add(fields, line); });
  if (!status.ok()) return status;
  return coder.Take();
}

}  // namespace acclimate::data
