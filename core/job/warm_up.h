// Pays for the first use of LibTorch before a job is there to wait for it.
#ifndef ACCLIMATE_CORE_JOB_WARM_UP_H_
#define ACCLIMATE_CORE_JOB_WARM_UP_H_

#include <string>

#include "absl/status/status.h"

namespace acclimate::job {

// Runs a miniature job from file to file in `scratch_directory`, and leaves nothing there: what it
// touches (libraries, kernels, thread pool, allocator) is loaded afterwards. Also a self-test: an
// error means that no job could run.
absl::Status WarmUp(const std::string& scratch_directory, const std::string& device, int threads);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_WARM_UP_H_
