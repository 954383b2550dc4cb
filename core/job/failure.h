// LibTorch's exceptions as one-line reasons.
#ifndef ACCLIMATE_CORE_JOB_FAILURE_H_
#define ACCLIMATE_CORE_JOB_FAILURE_H_

#include "absl/status/status.h"

namespace acclimate::job {

// Call inside a catch block. RESOURCE_EXHAUSTED: memory of the machine or of the device, threads,
// the disk. INVALID_ARGUMENT: whatever else LibTorch says, which is about the model or the data
// that it was given. INTERNAL: any other exception, which is of our own making.
absl::Status StatusFromCurrentException();

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_FAILURE_H_
