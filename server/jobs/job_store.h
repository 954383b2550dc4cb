// Where jobs and their events live. One interface, one set of conformance tests; SQLite today.
#ifndef ACCLIMATE_SERVER_JOBS_JOB_STORE_H_
#define ACCLIMATE_SERVER_JOBS_JOB_STORE_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"
#include "server/jobs/memory_estimates.h"

namespace acclimate::jobs {

struct JobQuery {
  std::string tenant;
  std::optional<v1::JobState> state;
  std::string method;                         // empty: any
  std::map<std::string, std::string> labels;  // all must match
  int page_size = 50;
  std::string page_token;  // from JobPage; INVALID_ARGUMENT when it is not one
};

// A page ends after `page_size` jobs, or earlier so that its jobs have at most kMaxPageBytes
// serialised; one job larger than that is a page of its own.
inline constexpr size_t kMaxPageBytes = size_t{1} << 20;

struct JobPage {
  std::vector<v1::Job> jobs;    // newest first; their attempts without stderr_tail
  std::string next_page_token;  // empty on the last page
};

struct CreatedJob {
  v1::Job job;
  bool existed = false;  // the same request came before
};

// What a mutation asks for besides its change to the job. Events get their cursors from the store,
// in order, in the same transaction as the job.
struct JobChange {
  v1::Job job;
  std::vector<v1::JobEvent> events;  // cursor unset
  std::optional<MemoryPeak> memory_peak = std::nullopt;
};

struct StateCount {
  v1::JobState state;
  std::string method;
  int64_t jobs = 0;
};

// The tenants that a query is about; nullopt: all.
using Tenants = std::optional<std::set<std::string>>;

// Jobs of one state, over several tenants.
struct StateQuery {
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  Tenants tenants;
  enum class Order {
    kOldest,   // created first
    kNewest,   // created last
    kPriority  // highest first, then oldest
  };
  Order order = Order::kOldest;
  int limit = 50;
};

// Which events of a job: those with a cursor > after, at most `limit`, none after the one with
// which they have `max_bytes` serialised.
struct EventRange {
  int64_t after = 0;
  int limit = std::numeric_limits<int>::max();
  int64_t max_bytes = std::numeric_limits<int64_t>::max();
};

// Contract:
// 1. Every call that returns OK after a change is durable: it survives kill -9 and power loss.
// 2. A job and its events change in one transaction; cursors rise by one without gaps.
// 3. Mutations are serialised; readers see a snapshot and never wait for writers.
// 4. A blob that a change names is needed from the change's commit on (blob_references.h).
// 5. Thread-safe. UNAVAILABLE when the disk fails; RESOURCE_EXHAUSTED when it is full.
class JobStore {
 public:
  // Returns INTERNAL-free errors; the change is discarded unless it returns OK.
  using Mutation = std::function<absl::Status(JobChange& change)>;

  virtual ~JobStore() = default;

  // An empty request_id is never deduplicated. ALREADY_EXISTS: request_id was used with another
  // spec (compared by spec_digest). A new job is made only if `check`, where there is one, agrees.
  virtual absl::StatusOr<CreatedJob> Create(const JobChange& change, const std::string& request_id,
                                            const std::string& spec_digest,
                                            const Mutation& check = nullptr) = 0;
  virtual absl::StatusOr<v1::Job> Get(const std::string& name) = 0;  // NOT_FOUND
  virtual absl::StatusOr<JobPage> List(const JobQuery& query) = 0;
  // Reads, mutates and writes in one transaction. NOT_FOUND, or what the mutation returned.
  virtual absl::StatusOr<v1::Job> Update(const std::string& name, const Mutation& mutation) = 0;
  virtual absl::Status Delete(const std::string& name, const Mutation& check) = 0;
  // In the order of their cursors.
  virtual absl::StatusOr<std::vector<v1::JobEvent>> Events(const std::string& name,
                                                           const EventRange& range) = 0;
  // The first `limit` jobs of the query's order.
  virtual absl::StatusOr<std::vector<v1::Job>> Select(const StateQuery& query) = 0;
  // Each queued job without next_attempt_time, the oldest first.
  virtual absl::Status VisitQueued(const std::function<void(const v1::Job&)>& visit) = 0;
  // The newest of each kind, the oldest first; of MemoryEstimates::kMaxKinds kinds.
  virtual absl::StatusOr<std::vector<MemoryPeak>> MemoryPeaks() = 0;
  // The names of the jobs with next_attempt_time.
  virtual absl::StatusOr<std::vector<std::string>> Waiting() = 0;
  // How many jobs there are by state and method.
  virtual absl::StatusOr<std::vector<StateCount>> Counts() = 0;
  // How many jobs of these tenants there are by state; states without any are left out.
  virtual absl::StatusOr<std::map<v1::JobState, int64_t>> CountsOf(const Tenants& tenants) = 0;
  // Whether a job that is not deleted needs the blob. Sees every change that was committed before.
  virtual absl::StatusOr<bool> NeedsBlob(const std::string& tenant, const std::string& sha256) = 0;
  // Thins out the metric points of jobs that ended before `horizon`, a little: curves look as
  // before, and a MetricsDropped stands for what was left out. True: there is more.
  virtual absl::StatusOr<bool> CompactEvents(absl::Time horizon) = 0;
  // Gives back to the disk some of the space that deleted jobs have left; true: there is more.
  virtual absl::StatusOr<bool> ReleaseSpace() = 0;
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_JOB_STORE_H_
