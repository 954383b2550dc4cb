// What a worker takes of the machine that no limit of the kernel bounds.
#ifndef ACCLIMATE_SERVER_NODE_WORKER_USAGE_H_
#define ACCLIMATE_SERVER_NODE_WORKER_USAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace acclimate::node {

struct UsageLimits {
  int threads = 0;            // 0: none
  int64_t scratch_bytes = 0;  // of all files in its scratch directory; 0: none
};

// Which limit the worker exceeds, for its job's error; empty: none. A process that has gone exceeds
// none. Costs a look at each of its files.
std::string ExceededLimit(pid_t worker, const std::string& scratch_directory,
                          const UsageLimits& limits);

// What it has in memory of its own, without mapped files, which the kernel can take back. 0 once it
// has gone.
int64_t AnonymousMemoryBytes(pid_t worker);

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_WORKER_USAGE_H_
