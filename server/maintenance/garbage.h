// Collects the garbage of a data directory that no server uses.
#ifndef ACCLIMATE_SERVER_MAINTENANCE_GARBAGE_H_
#define ACCLIMATE_SERVER_MAINTENANCE_GARBAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/artifacts/collector.h"

namespace acclimate::maintenance {

// Removes the blobs that nothing has needed for the grace time, and gives back the space that
// deleted jobs have left in the job store. The caller holds the directory's lock.
absl::StatusOr<artifacts::Collected> CollectGarbage(const std::string& data_directory,
                                                    absl::Duration grace);

}  // namespace acclimate::maintenance

#endif  // ACCLIMATE_SERVER_MAINTENANCE_GARBAGE_H_
