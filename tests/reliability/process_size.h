// Invariant I6: memory, descriptors and threads do not grow.
#ifndef ACCLIMATE_TESTS_RELIABILITY_PROCESS_SIZE_H_
#define ACCLIMATE_TESTS_RELIABILITY_PROCESS_SIZE_H_

#include <sys/types.h>

#include <cstdint>

namespace acclimate::reliability {

struct ProcessSize {
  int64_t resident_bytes = 0;
  int64_t descriptors = 0;
  int64_t threads = 0;
};

ProcessSize SizeOf(pid_t process);

// `before` is taken after the server has done a share of the work once, `after` at the end. Allows
// what does not rise with the work: threads and connections of gRPC, and free memory that is kept.
void ExpectNoGrowth(const ProcessSize& before, const ProcessSize& after);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_PROCESS_SIZE_H_
