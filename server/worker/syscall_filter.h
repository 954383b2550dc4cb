// Which system calls this process can still make.
#ifndef ACCLIMATE_SERVER_WORKER_SYSCALL_FILTER_H_
#define ACCLIMATE_SERVER_WORKER_SYSCALL_FILTER_H_

#include "absl/status/status.h"

namespace acclimate::worker {

// In every thread, for good: what a computation has no need of fails with EPERM. Needs
// no_new_privs.
absl::Status FilterSystemCalls();

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_SYSCALL_FILTER_H_
