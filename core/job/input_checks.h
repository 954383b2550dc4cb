// Whether data, model and method fit together.
#ifndef ACCLIMATE_CORE_JOB_INPUT_CHECKS_H_
#define ACCLIMATE_CORE_JOB_INPUT_CHECKS_H_

#include "absl/status/status.h"
#include "core/job/inputs.h"
#include "core/job/run.h"

namespace acclimate::job {

// All datasets have samples of one shape, which the method takes. INVALID_ARGUMENT names every
// field at fault.
absl::Status CheckShapes(Inputs& inputs);

// Before labels make the classes of a fresh layer: that they do not count from 1. INVALID_ARGUMENT
// has the line that mends them.
absl::Status CheckCountFromZero(const RunSpec& spec, Inputs& inputs);

// The model has the layers that the method needs, and the labels are its classes. Labels that serve
// a metric alone are dropped with a warning; any other is INVALID_ARGUMENT.
absl::Status CheckModel(Inputs& inputs, RunObserver& observer);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_INPUT_CHECKS_H_
