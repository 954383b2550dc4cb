// What the kernel counts of a server under measurement.
#ifndef ACCLIMATE_TESTS_BENCH_SERVICE_PROCESS_USAGE_H_
#define ACCLIMATE_TESTS_BENCH_SERVICE_PROCESS_USAGE_H_

#include <sys/types.h>

#include "absl/time/time.h"

namespace acclimate::bench {

struct ProcessUsage {
  double resident_mebibytes = 0;
  int threads = 0;
  absl::Duration processor_time;
};

// Ends the benchmark when the process has gone.
ProcessUsage UsageOf(pid_t pid);

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_SERVICE_PROCESS_USAGE_H_
