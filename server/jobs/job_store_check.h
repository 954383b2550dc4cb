// Reads the file of an SQLite job store as it is, without changing it, also while a server writes.
#ifndef ACCLIMATE_SERVER_JOBS_JOB_STORE_CHECK_H_
#define ACCLIMATE_SERVER_JOBS_JOB_STORE_CHECK_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace acclimate::jobs {

struct NeededBlob {
  std::string tenant;
  std::string sha256;
  std::string job;  // one that needs it
};

// Reports everything in the file that cannot be read: pages, jobs, events. `what` is the name of a
// job where one is at fault, else the file. An error: the file cannot be opened.
using ProblemReport = std::function<void(const std::string& what, const std::string& problem)>;
absl::Status CheckJobStore(const std::string& path, const ProblemReport& report);

// Each once, in the order of tenants and digests.
absl::StatusOr<std::vector<NeededBlob>> NeededBlobs(const std::string& path);
absl::StatusOr<bool> IsNeeded(const std::string& path, const NeededBlob& blob);

// A consistent copy, as of one moment, in one file, which replaces `to`.
absl::Status CopyJobStore(const std::string& from, const std::string& to);

// Gives all unused space back to the disk. For a store that no server uses.
absl::Status CompactJobStore(const std::string& path);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_JOB_STORE_CHECK_H_
