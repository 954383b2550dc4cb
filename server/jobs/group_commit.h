// One thread that writes to the database, and one commit for all changes that came while the last
// one was on its way to the disk.
#ifndef ACCLIMATE_SERVER_JOBS_GROUP_COMMIT_H_
#define ACCLIMATE_SERVER_JOBS_GROUP_COMMIT_H_

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/jobs/sqlite_database.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::jobs {

// Thread-safe. `metrics` outlives it.
class GroupCommit {
 public:
  // Runs on the writing thread, inside a transaction. An error undoes this change alone.
  using Change = std::function<absl::Status(Connection&)>;

  GroupCommit(std::unique_ptr<Connection> connection, metrics::ServerMetrics* metrics);
  ~GroupCommit();  // what was submitted before is still committed

  // Returns when the change is durable, or why it is not.
  absl::Status Run(const Change& change);

 private:
  struct Request {
    const Change* change;
    absl::Status status;
    bool done = false;
  };

  void Loop();
  void Commit(const std::vector<Request*>& batch);
  absl::Status Apply(const std::vector<Request*>& batch);
  absl::Status ApplyOne(Request& request);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !waiting_.empty() || stopped_; }

  const std::unique_ptr<Connection> connection_;
  metrics::ServerMetrics* const metrics_;
  absl::Mutex mutex_;
  std::vector<Request*> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_GROUP_COMMIT_H_
