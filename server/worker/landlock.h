// Which files this thread, and the threads it starts, can still open.
#ifndef ACCLIMATE_SERVER_WORKER_LANDLOCK_H_
#define ACCLIMATE_SERVER_WORKER_LANDLOCK_H_

#include <string>

#include "absl/status/status.h"

namespace acclimate::worker {

// Writing: beneath `scratch_directory`, to /dev/null, and with `gpu` to the devices of GPUs.
// Reading: also the directories of the loaded libraries and what describes this machine and this
// process; with `gpu` what gpu_files.h lists. Running a program: nowhere. Also, where the kernel
// can: no TCP, no signals to, and no abstract sockets of, other processes. UNIMPLEMENTED: this
// kernel has no landlock. FAILED_PRECONDITION: other threads run already, which it would not bind.
absl::Status RestrictFileAccess(const std::string& scratch_directory, bool gpu);

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_LANDLOCK_H_
