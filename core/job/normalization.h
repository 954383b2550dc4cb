// The normalisation that belongs to a model: chosen once, recorded with it, used again unless given
// anew.
#ifndef ACCLIMATE_CORE_JOB_NORMALIZATION_H_
#define ACCLIMATE_CORE_JOB_NORMALIZATION_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/job/normalization_request.h"

namespace acclimate::job {

struct ChosenNormalization {
  data::Normalization values;
  // Where the values come from, for the report: "given", "checkpoint", "imagenet", "none", or
  // "measured".
  std::string from;
};

using Metadata = std::map<std::string, std::string>;

// measure: the mean and std of the data; called for "auto" where the checkpoint records none.
// INVALID_ARGUMENT: the recorded one cannot be read, or the request names the field at fault.
absl::StatusOr<ChosenNormalization> ChooseNormalization(
    const NormalizationRequest& request, const Metadata& model_metadata,
    const std::function<absl::StatusOr<data::Normalization>()>& measure);

// What the model records, else 0 and 1.
absl::StatusOr<data::Normalization> RecordedNormalization(const Metadata& model_metadata);
bool RecordsNormalization(const Metadata& model_metadata);

void RecordNormalization(const data::Normalization& normalization, Metadata& model_metadata);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_NORMALIZATION_H_
