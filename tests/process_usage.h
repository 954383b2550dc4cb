// What the kernel counts of a process under test.
#ifndef ACCLIMATE_TESTS_PROCESS_USAGE_H_
#define ACCLIMATE_TESTS_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace acclimate {

struct ProcessUsage {
  int64_t resident_bytes = 0;
  int64_t descriptors = 0;
  int64_t threads = 0;
  absl::Duration processor_time;

  double resident_mebibytes() const { return static_cast<double>(resident_bytes) / (1 << 20); }
};

// NOT_FOUND: the process has gone.
absl::StatusOr<ProcessUsage> UsageOf(pid_t process);

}  // namespace acclimate

#endif  // ACCLIMATE_TESTS_PROCESS_USAGE_H_
