// How a job wants its tables (CSV files) read; free of LibTorch.
#ifndef ACCLIMATE_CORE_DATA_TABLE_TABLE_OPTIONS_H_
#define ACCLIMATE_CORE_DATA_TABLE_TABLE_OPTIONS_H_

#include <string>
#include <vector>

namespace acclimate::data {

struct TableOptions {
  std::string label_column;              // "": that of the model's coding, else there are no labels
  std::vector<std::string> ignored;      // columns that are left out
  std::vector<std::string> categorical;  // columns whose numbers are names
  std::string missing;                   // "refuse", "mean", or "": that of the coding, else refuse
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_TABLE_TABLE_OPTIONS_H_
