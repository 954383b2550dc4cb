// One worker process: started, listened to, limited, and always waited for.
#ifndef ACCLIMATE_SERVER_NODE_WORKER_PROCESS_H_
#define ACCLIMATE_SERVER_NODE_WORKER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/base/instant.h"
#include "server/node/worker_usage.h"
#include "server/protocol/channel.h"
#include "server/protocol/unique_fd.h"

namespace acclimate::node {

struct WorkerProcessOptions {
  std::string path;
  std::string scratch_directory;  // of this worker alone; created here, removed with it
  int threads = 1;
  std::string device = "auto";
  int64_t file_size_limit_bytes = 0;
  UsageLimits usage;  // a worker that exceeds one is killed
};

struct MemoryLimit {
  int64_t bytes = 0;       // that the worker may have in memory of its own; 0: no limit
  int64_t file_bytes = 0;  // of its inputs, which it maps and which do not count
  std::string name = {};   // of what sets the limit, for messages

  // "it may use 4294967296 (--job-memory-limit)"
  std::string ToString() const;
};

struct WorkerExit {
  int signal = 0;     // that ended it, or 0
  int exit_code = 0;  // when no signal did
  bool killed_by_node = false;
  bool out_of_memory = false;  // the kernel's killer, its own word, or beyond its limit
  std::string exceeded = {};   // the limit for which the node has killed it; empty: none
};

// Not thread-safe: one slot's thread owns a worker from Start to its end. That thread must live as
// long as the worker, which dies with it (PR_SET_PDEATHSIG).
class WorkerProcess {
 public:
  static constexpr size_t kStderrTailBytes = 8 << 10;

  // The worker runs, but is not ready yet. It inherits nothing: three standard descriptors, the
  // channel, and a short environment.
  static absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(const WorkerProcessOptions& options);
  ~WorkerProcess();  // kills it if it runs
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  protocol::Channel& channel() { return channel_; }
  const std::string& scratch_directory() const { return options_.scratch_directory; }
  pid_t pid() const { return pid_; }

  // From here on a worker with more memory of its own, as it is measured, is killed. What comes too
  // fast for that the kernel refuses: what it reserves, used or not, is bounded by twice as much
  // and its files.
  absl::Status LimitMemory(const MemoryLimit& limit);

  // Reads its stderr until the channel or `wake_fd` is readable, or the deadline is there.
  void Wait(int wake_fd, Instant deadline);

  // What it has in memory now, without mapped files, and the most that any measurement has seen. It
  // is measured with its other usage, twice a second, and here.
  int64_t MeasureMemory();
  int64_t peak_memory_bytes() const { return peak_memory_bytes_; }

  // What it has used since it was started; nullopt once it has ended.
  std::optional<absl::Duration> ProcessorTime() const;

  // False once it has ended.
  bool Running();
  void Terminate();  // SIGTERM
  void Kill();
  // Waits for its end; kills it when that takes longer than `grace`.
  WorkerExit Reap(absl::Duration grace);

  std::string StderrTail() const;  // valid UTF-8

 private:
  WorkerProcess(const WorkerProcessOptions& options, protocol::UniqueFd socket,
                protocol::UniqueFd stderr_pipe, pid_t pid);

  void CheckUsage();
  bool ReadStderr();  // false: nothing is there
  bool TryReap();

  const WorkerProcessOptions options_;
  protocol::Channel channel_;
  protocol::UniqueFd stderr_;  // invalid once the worker has closed it
  const pid_t pid_;
  const int64_t oom_kills_before_;
  bool killed_ = false;
  Instant next_usage_check_ = Instant::Always();
  std::string exceeded_;
  MemoryLimit memory_limit_;
  bool killed_for_memory_ = false;
  int64_t peak_memory_bytes_ = 0;
  std::optional<WorkerExit> exit_;
  std::string tail_;
};

// For messages: "SIGSEGV (segmentation fault)".
std::string SignalName(int signal);

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_WORKER_PROCESS_H_
