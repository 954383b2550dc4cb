// Jobs in memory: a second implementation, so that the conformance tests are not those of one.
#ifndef ACCLIMATE_TESTS_SERVER_JOBS_MEMORY_JOB_STORE_H_
#define ACCLIMATE_TESTS_SERVER_JOBS_MEMORY_JOB_STORE_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/jobs/job_store.h"

namespace acclimate::jobs {

class MemoryJobStore : public JobStore {
 public:
  absl::StatusOr<CreatedJob> Create(const JobChange& change, const std::string& request_id,
                                    const std::string& spec_digest,
                                    const Mutation& check = nullptr) override;
  absl::StatusOr<v1::Job> Get(const std::string& name) override;
  absl::StatusOr<JobPage> List(const JobQuery& query) override;
  absl::StatusOr<v1::Job> Update(const std::string& name, const Mutation& mutation) override;
  absl::Status Delete(const std::string& name, const Mutation& check) override;
  absl::StatusOr<std::vector<v1::JobEvent>> Events(const std::string& name,
                                                   const EventRange& range) override;
  absl::StatusOr<std::vector<v1::Job>> Select(const StateQuery& query) override;
  absl::Status VisitQueued(const std::function<void(const v1::Job&)>& visit) override;
  absl::StatusOr<std::vector<MemoryPeak>> MemoryPeaks() override;
  absl::StatusOr<std::vector<std::string>> Waiting() override;
  absl::StatusOr<std::vector<StateCount>> Counts() override;
  absl::StatusOr<std::map<v1::JobState, int64_t>> CountsOf(const Tenants& tenants) override;
  absl::StatusOr<bool> NeedsBlob(const std::string& tenant, const std::string& sha256) override;
  absl::StatusOr<bool> CompactEvents(absl::Time) override { return false; }
  absl::StatusOr<bool> ReleaseSpace() override { return false; }

 private:
  struct Stored {
    int64_t sequence = 0;
    v1::Job job;
    std::vector<v1::JobEvent> events;
  };
  struct Request {
    std::string digest;
    std::string job;
  };

  // Gives the events their cursors and keeps the change.
  void Keep(JobChange change, Stored& stored) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those that hold, the oldest first.
  std::vector<const Stored*> Those(const std::function<bool(const v1::Job&)>& condition) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  int64_t last_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Stored> jobs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, Request> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<MemoryPeak> peaks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_TESTS_SERVER_JOBS_MEMORY_JOB_STORE_H_
