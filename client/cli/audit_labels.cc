#include "client/cli/audit_labels.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace acclimate::cli {
namespace {

constexpr char kIndexColumn[] = "index";
constexpr char kLabelColumn[] = "label";
constexpr char kByteOrderMark[] = "\xEF\xBB\xBF";  // as spreadsheets write it

std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells = absl::StrSplit(line, ',');
  for (std::string& cell : cells) absl::StripAsciiWhitespace(&cell);
  return cells;
}

// The lines of a file, one after the other, with what is said of one at fault.
class AuditLines {
 public:
  explicit AuditLines(const std::string& path) : path_(path), file_(path) {}

  bool opened() const { return file_.is_open(); }
  int64_t number() const { return number_; }

  // The next line that is not empty.
  bool Next(std::vector<std::string>* cells) {
    std::string line;
    while (std::getline(file_, line)) {
      if (number_++ == 0) line = std::string(absl::StripPrefix(line, kByteOrderMark));
      absl::StripAsciiWhitespace(&line);
      if (line.empty()) continue;
      *cells = CellsOf(line);
      return true;
    }
    return false;
  }

  template <typename... Parts>
  absl::Status AtFault(const Parts&... what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": line ", number_, ": ", what...));
  }

 private:
  const std::string path_;
  std::ifstream file_;
  int64_t number_ = 0;
};

absl::StatusOr<size_t> ColumnOf(const std::string& name, const std::vector<std::string>& header,
                                const AuditLines& lines) {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) {
    return lines.AtFault("has no column \"", name, "\"; the first line must be ", kIndexColumn, ",",
                         kLabelColumn);
  }
  return found - header.begin();
}

absl::StatusOr<int64_t> NumberIn(const std::vector<std::string>& cells, size_t column,
                                 const std::string& name, const AuditLines& lines) {
  const std::string text = column < cells.size() ? cells[column] : "";
  int64_t number = 0;
  if (absl::SimpleAtoi(text, &number) && number >= 0) return number;
  if (text.empty() && name == kLabelColumn) {
    return lines.AtFault("has no label; label every sample of the list, the hard ones too");
  }
  return lines.AtFault(name, " \"", text, "\" is not a whole number from 0 on");
}

}  // namespace

absl::StatusOr<std::vector<report::AuditLabel>> ReadAuditLabels(const std::string& path) {
  AuditLines lines(path);
  if (!lines.opened()) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  std::vector<std::string> cells;
  lines.Next(&cells);
  const absl::StatusOr<size_t> index_column = ColumnOf(kIndexColumn, cells, lines);
  if (!index_column.ok()) return index_column.status();
  const absl::StatusOr<size_t> label_column = ColumnOf(kLabelColumn, cells, lines);
  if (!label_column.ok()) return label_column.status();

  std::vector<report::AuditLabel> labels;
  std::map<int64_t, int64_t> line_of;  // index -> line
  while (lines.Next(&cells)) {
    const absl::StatusOr<int64_t> index = NumberIn(cells, *index_column, kIndexColumn, lines);
    if (!index.ok()) return index.status();
    const absl::StatusOr<int64_t> label = NumberIn(cells, *label_column, kLabelColumn, lines);
    if (!label.ok()) return label.status();
    const auto [first, is_new] = line_of.emplace(*index, lines.number());
    if (!is_new) {
      return lines.AtFault("index ", *index, " is given twice, first in line ", first->second);
    }
    labels.push_back({*index, *label});
  }
  if (labels.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": has no labels"));
  return labels;
}

// Robert Floyd's, so that the memory follows the count.
absl::StatusOr<std::vector<int64_t>> DrawAuditSample(int64_t samples, int64_t count,
                                                     uint64_t seed) {
  if (count < 1 || count > samples) {
    return absl::InvalidArgumentError(absl::StrCat("--n ", count, ": must be from 1 to ", samples,
                                                   ", the samples of the target"));
  }
  std::mt19937_64 random(seed);
  // The standard leaves open what its own distribution draws.
  const auto below = [&random](uint64_t bound) {
    const uint64_t end = random.max() - random.max() % bound;
    uint64_t drawn = random();
    while (drawn >= end) drawn = random();
    return static_cast<int64_t>(drawn % bound);
  };
  std::set<int64_t> drawn;
  for (int64_t last = samples - count; last < samples; ++last) {
    const int64_t one = below(static_cast<uint64_t>(last) + 1);
    drawn.insert(drawn.count(one) > 0 ? last : one);
  }
  return std::vector<int64_t>(drawn.begin(), drawn.end());
}

std::string EmptyAuditFile(const std::vector<int64_t>& indices) {
  std::string text = absl::StrCat(kIndexColumn, ",", kLabelColumn, "\n");
  for (const int64_t index : indices) absl::StrAppend(&text, index, ",\n");
  return text;
}

}  // namespace acclimate::cli
