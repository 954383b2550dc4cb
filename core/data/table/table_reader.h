// The samples of a table, by a coding.
#ifndef ACCLIMATE_CORE_DATA_TABLE_TABLE_READER_H_
#define ACCLIMATE_CORE_DATA_TABLE_TABLE_READER_H_

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/class_names.h"
#include "core/data/table/csv_file.h"
#include "core/data/table/table_coding.h"

namespace acclimate::data {

struct TableSamples {
  at::Tensor inputs;  // float32 [rows, features]
  ClassTexts labels;  // empty: there is no label column, or it has no values
  // INVALID_ARGUMENT: a part of the labels is missing; `labels` is then empty.
  absl::Status label_status;
  std::vector<std::string> warnings;
};

// Columns are found by their names; those that the coding has not are left out, with a warning but
// for `ignored`. A category that the coding has not is 0 in every feature of its column, with a
// warning. INVALID_ARGUMENT names the line and the column: a column that is not there, no number in
// a numeric column, missing values that are refused.
absl::StatusOr<TableSamples> ReadTable(const CsvFile& file, const TableCoding& coding,
                                       const std::vector<std::string>& ignored);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_TABLE_TABLE_READER_H_
