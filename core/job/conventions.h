// How files that hold no tensors become samples and labels: kept with the model, so that every
// later file is read alike.
#ifndef ACCLIMATE_CORE_JOB_CONVENTIONS_H_
#define ACCLIMATE_CORE_JOB_CONVENTIONS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/data/pictures/picture_convention.h"
#include "core/data/table/table_coding.h"

namespace acclimate::job {

struct Conventions {
  absl::optional<data::TableCoding> table;           // absent: no table has been read yet
  absl::optional<data::PictureConvention> pictures;  // absent: no pictures have been read yet
  std::vector<std::string> class_names;              // by class; empty: classes are numbers
};

// INVALID_ARGUMENT: the record is damaged.
absl::StatusOr<Conventions> ReadConventions(const std::map<std::string, std::string>& metadata);
void RecordConventions(const Conventions& conventions,
                       std::map<std::string, std::string>& metadata);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_CONVENTIONS_H_
