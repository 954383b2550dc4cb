// Copies of a data directory that are known to be whole.
#ifndef ACCLIMATE_SERVER_MAINTENANCE_BACKUP_H_
#define ACCLIMATE_SERVER_MAINTENANCE_BACKUP_H_

#include <string>

#include "absl/status/statusor.h"
#include "server/maintenance/fsck.h"

namespace acclimate::maintenance {

// Copies the job store as of one moment, every blob that its jobs need and those that are there
// besides, pins and the audit log, then checks the copy. A server may be running. `to` is a new
// folder, or an earlier backup, which is brought up to date: a blob that it has is not copied
// again. Uploads that are not complete are left out. The problems of the result are those of the
// copy, and blobs that could not be copied. FAILED_PRECONDITION: `to` is a server's data directory.
absl::StatusOr<FsckResult> BackUp(const std::string& data_directory, const std::string& to);

// Makes a data directory, which must not exist or be empty, out of a backup, and checks it.
// FAILED_PRECONDITION: it is not empty.
absl::StatusOr<FsckResult> Restore(const std::string& backup, const std::string& data_directory);

}  // namespace acclimate::maintenance

#endif  // ACCLIMATE_SERVER_MAINTENANCE_BACKUP_H_
