#include "core/data/table/missing_cells.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"

namespace acclimate::data {

void MissingCells::Add(const std::string& column, int64_t line) {
  if (count_++ == 0) first_line_ = line;
  ++by_column_[column];
}

absl::Status MissingCells::Refusal(const std::string& file, const char* advice) const {
  if (count_ == 0) return absl::OkStatus();
  const std::string columns =
      absl::StrJoin(by_column_, ", ", [](std::string* text, const auto& column) {
        absl::StrAppend(text, "\"", column.first, "\" ", column.second);
      });
  return BadData(file, count_, count_ == 1 ? " value is" : " values are",
                 " missing, first on line ", first_line_, " (by column: ", columns, "); ", advice);
}

}  // namespace acclimate::data
