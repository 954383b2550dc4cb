// Which blobs the jobs of the store need. The references change in the transaction that changes the
// job, so that a blob is needed from the commit on that names it, to the one that no longer does.
//
// A job needs the blobs of its own tenant that its spec or one of its events names, in any field;
// of its training states the newest, until it has a result.
#ifndef ACCLIMATE_SERVER_JOBS_BLOB_REFERENCES_H_
#define ACCLIMATE_SERVER_JOBS_BLOB_REFERENCES_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "acclimate/v1/job.pb.h"
#include "server/jobs/sqlite_database.h"

namespace acclimate::jobs {

// The digests of a tenant's blobs whose resource names stand in a field of the message, or of those
// within it.
std::set<std::string> BlobsNamedIn(const google::protobuf::Message& message,
                                   const std::string& tenant);

// `sequence` is the job's key.
absl::Status AddSpecReferences(Connection& connection, int64_t sequence, const v1::Job& job);
absl::Status AddEventReferences(Connection& connection, int64_t sequence, const v1::Job& job,
                                const v1::JobEvent& event);
absl::StatusOr<bool> IsReferenced(Connection& connection, const std::string& tenant,
                                  const std::string& sha256);

// Of every job, for a store from before there were references. DATA_LOSS: a job cannot be read.
absl::Status AddAllReferences(Connection& connection);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_BLOB_REFERENCES_H_
