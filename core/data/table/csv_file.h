// Rows of a CSV file (RFC 4180), parsed by libcsv.
#ifndef ACCLIMATE_CORE_DATA_TABLE_CSV_FILE_H_
#define ACCLIMATE_CORE_DATA_TABLE_CSV_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/io/mapped_file.h"

namespace acclimate::data {

// Text without control characters, whatever it holds. Asked once no other format is recognised.
bool LooksLikeCsv(absl::string_view bytes);

// A file with a header line. The delimiter is whichever of comma, semicolon and tab the header has
// most of. Blank lines are skipped. Immutable and thread-safe.
class CsvFile {
 public:
  // fields: one for each column. line: where the row begins, from 1.
  using RowReader =
      std::function<absl::Status(const std::vector<absl::string_view>& fields, int64_t line)>;

  // Reads the header. INVALID_ARGUMENT: there is none, a name is there twice or is missing.
  static absl::StatusOr<CsvFile> Open(std::shared_ptr<io::MappedFile> file);

  const std::string& name() const { return file_->name(); }
  // In the order of the file. An empty first name, as pandas gives its index, is kept as "".
  const std::vector<std::string>& columns() const { return columns_; }
  // Calls `read` for every row, and ends with its first error. INVALID_ARGUMENT names the line: a
  // row with too few or too many fields, a quote that is out of place or never closed, text that is
  // not UTF-8.
  absl::Status ReadRows(const RowReader& read) const;

 private:
  explicit CsvFile(std::shared_ptr<io::MappedFile> file) : file_(std::move(file)) {}
  absl::Status ReadHeader();
  absl::Status Parse(const RowReader& read) const;  // the header is its first row

  std::shared_ptr<io::MappedFile> file_;
  char delimiter_ = ',';
  std::vector<std::string> columns_;
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_TABLE_CSV_FILE_H_
