// Counts the missing values of a table, for the message that refuses them.
#ifndef ACCLIMATE_CORE_DATA_TABLE_MISSING_CELLS_H_
#define ACCLIMATE_CORE_DATA_TABLE_MISSING_CELLS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"

namespace acclimate::data {

class MissingCells {
 public:
  void Add(const std::string& column, int64_t line);
  int64_t count() const { return count_; }
  // INVALID_ARGUMENT with the counts and the advice, or OK where nothing is missing.
  absl::Status Refusal(const std::string& file, const char* advice) const;

 private:
  int64_t count_ = 0, first_line_ = 0;
  std::map<std::string, int64_t> by_column_;
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_TABLE_MISSING_CELLS_H_
