// Starts workers and waits until they are ready.
#ifndef ACCLIMATE_SERVER_NODE_WORKER_STARTER_H_
#define ACCLIMATE_SERVER_NODE_WORKER_STARTER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "acclimate/v1/worker.pb.h"
#include "server/metrics/server_metrics.h"
#include "server/node/node.h"
#include "server/node/worker_process.h"

namespace acclimate::node {

// Thread-safe. Everything outlives it.
class WorkerStarter {
 public:
  // `options.threads_per_slot` is resolved.
  WorkerStarter(const NodeOptions& options, metrics::ServerMetrics& metrics)
      : options_(options), metrics_(metrics) {}

  // A ready worker, which belongs to the calling thread (WorkerProcess). CANCELLED: `stopped` said
  // so, which is asked whenever `wake_fd` is readable. FAILED_PRECONDITION: its sandbox is not
  // complete. Otherwise why it does not start.
  absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(int wake_fd,
                                                       const std::function<bool()>& stopped);

  struct Report {
    v1::WorkerReady last_ready;  // of the last worker that became ready
    std::string start_error;     // of the last worker, when it did not
  };
  Report report() const;

 private:
  absl::Status AwaitReady(WorkerProcess& worker, int wake_fd, const std::function<bool()>& stopped);

  const NodeOptions& options_;
  metrics::ServerMetrics& metrics_;
  std::atomic<int64_t> started_ = 0;
  mutable absl::Mutex mutex_;
  Report report_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_WORKER_STARTER_H_
