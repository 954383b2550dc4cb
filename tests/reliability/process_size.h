// Invariant I6: memory, descriptors and threads do not grow.
#ifndef ACCLIMATE_TESTS_RELIABILITY_PROCESS_SIZE_H_
#define ACCLIMATE_TESTS_RELIABILITY_PROCESS_SIZE_H_

#include "tests/process_usage.h"

namespace acclimate::reliability {

// `before` is taken after the server has done a share of the work once, `after` at the end. Allows
// what does not rise with the work: threads and connections of gRPC, and free memory that is kept.
void ExpectNoGrowth(const ProcessUsage& before, const ProcessUsage& after);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_PROCESS_SIZE_H_
