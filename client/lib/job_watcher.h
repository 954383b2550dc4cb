// Follows a job's events across dropped connections and restarts of the server.
#ifndef ACCLIMATE_CLIENT_LIB_JOB_WATCHER_H_
#define ACCLIMATE_CLIENT_LIB_JOB_WATCHER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "acclimate/v1/job.pb.h"
#include "client/lib/connection.h"

namespace acclimate::client {

// Contract:
// 1. Events reach the listener in the order of their cursors, each at most once, whatever happens
//    to the connection; none is left out but metric points that the server says it dropped.
// 2. Watch() returns when the job has ended, Cancel() was called, or the server stays away for
//    longer than the connection's patience.
class JobWatcher {
 public:
  using Listener = std::function<void(const v1::JobEvent& event)>;

  JobWatcher(Connection& connection, Listener listener)
      : connection_(connection), listener_(std::move(listener)) {}

  // The job as it ended. CANCELLED: this watcher was cancelled; the job goes on.
  absl::StatusOr<v1::Job> Watch(const std::string& job, int64_t after_cursor = 0);
  // From any thread, once.
  void Cancel();

 private:
  absl::Status Stream(const std::string& job, int64_t* cursor);

  Connection& connection_;
  const Listener listener_;
  absl::Notification cancelled_;
  absl::Mutex mutex_;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;  // of the open stream
};

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_JOB_WATCHER_H_
