// The job store on SQLite: write-ahead log, synchronous=FULL, one writer with group commit,
// readers on connections of their own.
#ifndef ACCLIMATE_SERVER_JOBS_SQLITE_JOB_STORE_H_
#define ACCLIMATE_SERVER_JOBS_SQLITE_JOB_STORE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/jobs/group_commit.h"
#include "server/jobs/job_store.h"
#include "server/jobs/sqlite_database.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::jobs {

class SqliteJobStore : public JobStore {
 public:
  // Makes the file, or brings its schema up to date. FAILED_PRECONDITION: it is on a network file
  // system, where SQLite's locks do not hold, or it is newer than this program. `metrics` outlives
  // the store.
  static absl::StatusOr<std::unique_ptr<SqliteJobStore>> Open(const std::string& path,
                                                              metrics::ServerMetrics* metrics);

  absl::StatusOr<CreatedJob> Create(const JobChange& change, const std::string& request_id,
                                    const std::string& spec_digest,
                                    const Mutation& check = nullptr) override;
  absl::StatusOr<v1::Job> Get(const std::string& name) override;
  absl::StatusOr<JobPage> List(const JobQuery& query) override;
  absl::StatusOr<v1::Job> Update(const std::string& name, const Mutation& mutation) override;
  absl::Status Delete(const std::string& name, const Mutation& check = nullptr) override;
  absl::StatusOr<std::vector<v1::JobEvent>> Events(const std::string& name,
                                                   const EventRange& range) override;
  absl::StatusOr<std::vector<v1::Job>> Select(const StateQuery& query) override;
  absl::Status VisitQueued(const std::function<void(const v1::Job&)>& visit) override;
  absl::StatusOr<std::vector<MemoryPeak>> MemoryPeaks() override;
  absl::StatusOr<std::vector<std::string>> Waiting() override;
  absl::StatusOr<std::vector<StateCount>> Counts() override;
  absl::StatusOr<std::map<v1::JobState, int64_t>> CountsOf(const Tenants& tenants) override;
  absl::StatusOr<bool> NeedsBlob(const std::string& tenant, const std::string& sha256) override;
  absl::StatusOr<bool> CompactEvents(absl::Time horizon) override;
  absl::StatusOr<bool> ReleaseSpace() override;

 private:
  SqliteJobStore(std::string path, std::unique_ptr<Connection> writer,
                 metrics::ServerMetrics* metrics);
  // Runs on a connection that nobody else uses meanwhile.
  absl::Status Read(const std::function<absl::Status(Connection&)>& read);

  const std::string path_;
  GroupCommit writer_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_readers_ ABSL_GUARDED_BY(mutex_);
};

// Whether statfs(2) gives this type to a file system of another machine.
bool IsNetworkFileSystem(int64_t type);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_SQLITE_JOB_STORE_H_
