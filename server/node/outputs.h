// What a worker leaves behind becomes blobs.
#ifndef ACCLIMATE_SERVER_NODE_OUTPUTS_H_
#define ACCLIMATE_SERVER_NODE_OUTPUTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "acclimate/v1/job.pb.h"
#include "acclimate/v1/worker.pb.h"
#include "server/artifacts/blob_store.h"

namespace acclimate::node {

// Imports the files that `finished` names from the scratch directory of a worker that has ended.
// INTERNAL: a name or a file that no honest worker leaves (a path, a link, not a regular file).
absl::StatusOr<v1::JobResult> ImportOutputs(const v1::WorkerFinished& finished,
                                            const std::string& scratch_directory,
                                            const std::string& tenant,
                                            artifacts::BlobStores& blobs);

// Imports a copy of one file while its worker, which may go on changing it, still runs. Returns the
// blob's resource name.
absl::StatusOr<std::string> ImportCopy(const std::string& file,
                                       const std::string& scratch_directory,
                                       const std::string& tenant, artifacts::BlobStores& blobs);

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_OUTPUTS_H_
