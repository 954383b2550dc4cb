// Looks for what is damaged or missing in a data directory.
#ifndef ACCLIMATE_SERVER_MAINTENANCE_FSCK_H_
#define ACCLIMATE_SERVER_MAINTENANCE_FSCK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace acclimate::maintenance {

struct Problem {
  std::string what;  // a resource name, or a path
  std::string problem;
};

struct FsckResult {
  int64_t blobs = 0;
  int64_t bytes = 0;
  std::vector<Problem> problems;
};

// Hashes every blob, reads every job, event and upload state, and looks for blobs that a job needs
// and that are not there. Changes nothing; a server may be running. An error: the directory holds
// no job store, or cannot be listed.
absl::StatusOr<FsckResult> Fsck(const std::string& data_directory);

}  // namespace acclimate::maintenance

#endif  // ACCLIMATE_SERVER_MAINTENANCE_FSCK_H_
