// From what a node sends to what core runs.
#ifndef ACCLIMATE_SERVER_WORKER_ASSIGNMENT_H_
#define ACCLIMATE_SERVER_WORKER_ASSIGNMENT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "acclimate/v1/worker.pb.h"
#include "core/job/run.h"
#include "server/protocol/unique_fd.h"

namespace acclimate::worker {

// `files` are those of assignment.files, in order. INVALID_ARGUMENT: they do not fit it.
absl::StatusOr<job::RunSpec> ToRunSpec(const v1::Assignment& assignment,
                                       const std::vector<protocol::UniqueFd>& files);

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_ASSIGNMENT_H_
