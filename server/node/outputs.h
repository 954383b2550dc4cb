// What a worker leaves behind becomes blobs.
#ifndef ACCLIMATE_SERVER_NODE_OUTPUTS_H_
#define ACCLIMATE_SERVER_NODE_OUTPUTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "acclimate/v1/job.pb.h"
#include "acclimate/v1/worker.pb.h"
#include "server/artifacts/blob_store.h"

namespace acclimate::node {

// Imports the files that `finished` names from the scratch directory of a worker that has ended,
// and holds them until the result is durable. INTERNAL: a name or a file that no honest worker
// leaves (a path, a link, not a regular file). RESOURCE_EXHAUSTED: IsDiskFull() of file_system.h
// tells whether the disk is full.
absl::StatusOr<v1::JobResult> ImportOutputs(const v1::WorkerFinished& finished,
                                            const std::string& scratch_directory,
                                            const std::string& tenant, artifacts::BlobStores& blobs,
                                            std::vector<artifacts::BlobHold>& holds);

// Imports a copy of one file while its worker, which may go on changing it, still runs.
absl::StatusOr<artifacts::HeldBlob> ImportCopy(const std::string& file,
                                               const std::string& scratch_directory,
                                               const std::string& tenant,
                                               artifacts::BlobStores& blobs);

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_OUTPUTS_H_
