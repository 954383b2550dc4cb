#include "core/data/table/csv_file.h"

#include <csv.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/data/bad_data.h"
#include "core/data/utf8.h"

namespace acclimate::data {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

absl::string_view WithoutMark(absl::string_view bytes) {
  absl::ConsumePrefix(&bytes, kByteOrderMark);
  return bytes;
}

// Of the header, outside of quotes.
char FindDelimiter(absl::string_view header) {
  int64_t commas = 0, semicolons = 0, tabs = 0;
  bool quoted = false;
  for (const char c : header) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    commas += c == ',';
    semicolons += c == ';';
    tabs += c == '\t';
  }
  if (semicolons > commas && semicolons >= tabs) return ';';
  return tabs > commas ? '\t' : ',';
}

bool IsNumber(const std::string& text) {
  double value = 0;
  return absl::SimpleAtod(text, &value);
}

// Collects the fields of a row as libcsv calls back. It knows no lines: it is given one at a time.
class RowParser {
 public:
  RowParser(char delimiter, const std::string& name) : name_(name) {
    failed_ = csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0;
    csv_set_delim(&parser_, static_cast<unsigned char>(delimiter));
    // Only blanks: a tab may be the delimiter.
    csv_set_space_func(&parser_, [](unsigned char c) { return c == ' ' ? 1 : 0; });
  }
  ~RowParser() { csv_free(&parser_); }
  RowParser(const RowParser&) = delete;
  RowParser& operator=(const RowParser&) = delete;

  // text: line `line` with its end. Whether a row ended with it.
  absl::StatusOr<bool> Parse(absl::string_view text, int64_t line) {
    if (bounds_.empty() && !in_row_) begin_ = line;
    ended_ = false;
    if (failed_ ||
        csv_parse(&parser_, text.data(), text.size(), OnField, OnRow, this) != text.size()) {
      return BadData(name_, "line ", line, ": ", Reason());
    }
    in_row_ = !ended_;
    return ended_;
  }

  // At the end of the file. Whether a row ended with it.
  absl::StatusOr<bool> Finish() {
    ended_ = false;
    if (csv_fini(&parser_, OnField, OnRow, this) != 0) {
      return BadData(name_, "line ", begin_, ": a quote is opened and never closed");
    }
    return ended_;
  }

  int64_t begin() const { return begin_; }  // the line that the row begins with

  // Valid until Clear().
  std::vector<absl::string_view> Fields() const {
    std::vector<absl::string_view> fields;
    size_t begin = 0;
    for (const size_t end : bounds_) {
      fields.push_back(absl::string_view(text_).substr(begin, end - begin));
      begin = end;
    }
    return fields;
  }

  void Clear() {
    text_.clear();
    bounds_.clear();
  }

 private:
  static void OnField(void* bytes, size_t size, void* self) {
    auto* parser = static_cast<RowParser*>(self);
    parser->text_.append(static_cast<const char*>(bytes), size);
    parser->bounds_.push_back(parser->text_.size());
  }
  static void OnRow(int, void* self) { static_cast<RowParser*>(self)->ended_ = true; }

  std::string Reason() {
    if (failed_ || csv_error(&parser_) != CSV_EPARSE) return "out of memory";
    return "a quote is out of place: a field that holds quotes is itself quoted, and its quotes "
           "are "
           "doubled";
  }

  csv_parser parser_;
  const std::string& name_;
  bool failed_ = false, ended_ = false, in_row_ = false;
  int64_t begin_ = 1;
  std::string text_;            // of all fields of the row
  std::vector<size_t> bounds_;  // where each ends
};

}  // namespace

bool LooksLikeCsv(absl::string_view bytes) {
  constexpr size_t kLookedAt = 4096;
  const absl::string_view begin = WithoutMark(bytes).substr(0, kLookedAt);
  return !begin.empty() && std::all_of(begin.begin(), begin.end(), [](unsigned char c) {
    return c >= ' ' || c == '\n' || c == '\r' || c == '\t';
  });
}

absl::StatusOr<CsvFile> CsvFile::Open(std::shared_ptr<io::MappedFile> file) {
  CsvFile csv(std::move(file));
  if (absl::Status status = csv.ReadHeader(); !status.ok()) return status;
  return csv;
}

absl::Status CsvFile::ReadHeader() {
  const absl::string_view bytes = WithoutMark(file_->bytes());
  delimiter_ = FindDelimiter(bytes.substr(0, bytes.find('\n')));
  const absl::Status ended = Parse([this](const auto& fields, int64_t) {
    for (const absl::string_view field : fields) columns_.emplace_back(field);
    return absl::CancelledError();  // that was all
  });
  if (!ended.ok() && !absl::IsCancelled(ended)) return ended;
  if (columns_.empty()) return BadData(name(), "is empty");
  if (std::all_of(columns_.begin(), columns_.end(), IsNumber)) {
    return BadData(name(),
                   "its first line holds numbers only; the first line must name the columns");
  }
  std::set<absl::string_view> seen;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].empty() && i > 0) {
      return BadData(name(), "column ", i + 1, " of ", columns_.size(), " has no name");
    }
    if (!seen.insert(columns_[i]).second) {
      return BadData(name(), "there are two columns \"", columns_[i], "\"");
    }
  }
  return absl::OkStatus();
}

absl::Status CsvFile::ReadRows(const RowReader& read) const {
  bool header = true;
  return Parse([&](const std::vector<absl::string_view>& fields, int64_t line) {
    if (std::exchange(header, false)) return absl::OkStatus();
    if (fields.size() != columns_.size()) {
      return BadData(name(), "line ", line, " has ", fields.size(), " fields, the header ",
                     columns_.size());
    }
    return read(fields, line);
  });
}

absl::Status CsvFile::Parse(const RowReader& read) const {
  RowParser parser(delimiter_, name());
  const auto finish_row = [&] {
    const std::vector<absl::string_view> fields = parser.Fields();
    for (const absl::string_view field : fields) {
      if (!IsUtf8(field)) {
        return BadData(name(), "line ", parser.begin(),
                       " holds text that is not UTF-8; save the file as UTF-8");
      }
    }
    absl::Status status = read(fields, parser.begin());
    parser.Clear();
    return status;
  };
  absl::string_view rest = WithoutMark(file_->bytes());
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t end = rest.find('\n');
    const size_t size = end == absl::string_view::npos ? rest.size() : end + 1;
    const absl::StatusOr<bool> ended = parser.Parse(rest.substr(0, size), line);
    if (!ended.ok()) return ended.status();
    rest.remove_prefix(size);
    if (!*ended) continue;
    if (absl::Status status = finish_row(); !status.ok()) return status;
  }
  const absl::StatusOr<bool> ended = parser.Finish();
  if (!ended.ok()) return ended.status();
  return *ended ? finish_row() : absl::OkStatus();
}

}  // namespace acclimate::data
