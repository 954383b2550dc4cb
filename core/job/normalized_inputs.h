// Sets the normalisation of every dataset of a run.
#ifndef ACCLIMATE_CORE_JOB_NORMALIZED_INPUTS_H_
#define ACCLIMATE_CORE_JOB_NORMALIZED_INPUTS_H_

#include "absl/status/status.h"
#include "core/job/dataset_reader.h"
#include "core/job/inputs.h"
#include "core/job/run.h"

namespace acclimate::job {

// Chooses by the spec, the checkpoint's record and the data (see normalization_request.h), and
// warns of values that are far out. A dataset that a model of its own reads is normalised as that
// model records. INVALID_ARGUMENT names the field.
absl::Status NormalizeInputs(const RunSpec& spec, DatasetReader& reader, Inputs& inputs,
                             RunObserver& observer);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_NORMALIZED_INPUTS_H_
