// Several labelled sources as one.
#ifndef ACCLIMATE_CORE_DATA_CONCATENATION_H_
#define ACCLIMATE_CORE_DATA_CONCATENATION_H_

#include <vector>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"

namespace acclimate::data {

// One after the other, without normalisation: set it on the result. uint8 stays uint8 when all are;
// else uint8 becomes float32 in [0, 1]. INVALID_ARGUMENT: no datasets, one without labels, or two
// whose samples have different shapes (both named).
absl::StatusOr<Dataset> Concatenate(std::vector<Dataset> datasets);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_CONCATENATION_H_
