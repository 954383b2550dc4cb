// What a worker may send while it runs an attempt.
#ifndef ACCLIMATE_SERVER_NODE_WORKER_MESSAGE_H_
#define ACCLIMATE_SERVER_NODE_WORKER_MESSAGE_H_

#include "absl/status/status.h"
#include "acclimate/v1/worker.pb.h"

namespace acclimate::node {

// INTERNAL: no honest worker sends it: unknown phases, numbers that cannot be, more metrics or
// files than message_limits.h allows, or longer names. What passes may become a label, a count, a
// file's name and an event of the job. Texts of any length pass: they are cut where they are kept.
absl::Status CheckWorkerMessage(const v1::WorkerToNode& message);

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_WORKER_MESSAGE_H_
