// The normalisation that belongs to a model: recorded with it, used again unless given anew.
#ifndef ACCLIMATE_CORE_JOB_NORMALIZATION_H_
#define ACCLIMATE_CORE_JOB_NORMALIZATION_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"

namespace acclimate::job {

// Each of mean and std: the given one, else the one recorded in the model's metadata, else 0 and 1.
// INVALID_ARGUMENT: the recorded one cannot be read.
absl::StatusOr<data::Normalization> ChooseNormalization(
    const std::vector<double>& mean, const std::vector<double>& std,
    const std::map<std::string, std::string>& model_metadata);

void RecordNormalization(const data::Normalization& normalization,
                         std::map<std::string, std::string>& model_metadata);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_NORMALIZATION_H_
