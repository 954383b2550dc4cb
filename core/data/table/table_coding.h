// How the columns of a table become the features of a sample: made from one table, kept with the
// model, used for every later one.
#ifndef ACCLIMATE_CORE_DATA_TABLE_TABLE_CODING_H_
#define ACCLIMATE_CORE_DATA_TABLE_TABLE_CODING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/table/csv_file.h"
#include "core/data/table/table_options.h"
#include "nlohmann/json.hpp"

namespace acclimate::data {

// A numeric column is one feature; a categorical one has a feature for each of its categories, 1
// for the category of the sample and 0 for the others.
struct ColumnCoding {
  std::string name;
  std::vector<std::string> categories;  // in the order of their bytes; empty: a numeric column
  // The mean of each feature over the table that the coding was made from: what stands for a
  // missing value where `missing` is "mean".
  std::vector<double> means;

  int64_t features() const {
    return categories.empty() ? 1 : static_cast<int64_t>(categories.size());
  }
};

struct TableCoding {
  std::vector<ColumnCoding> columns;
  std::string label_column;  // "": none
  std::string missing = "refuse";

  int64_t features() const;
};

inline constexpr char kMissingAdvice[] = "fill them, or give missing = mean";

// A cell that stands for no value: empty, NA, N/A, NaN, null, none or ?, in either case.
bool IsMissing(absl::string_view cell);

// Of all columns but the label's and the ignored ones: numeric where every value is a finite number
// and it is not named in options.categorical. INVALID_ARGUMENT: a column that an option names is
// not there, a categorical column with more than 256 categories, missing values that are refused
// (how many, in which columns, and where the first is), a column without values, no rows.
absl::StatusOr<TableCoding> MakeTableCoding(const CsvFile& file, const TableOptions& options);

nlohmann::json ToJson(const TableCoding& coding);
// INVALID_ARGUMENT where `json` is none that ToJson() made.
absl::StatusOr<TableCoding> TableCodingFromJson(const nlohmann::json& json);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_TABLE_TABLE_CODING_H_
