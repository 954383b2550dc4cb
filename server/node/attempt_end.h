// From how a worker ended to what the queue is told.
#ifndef ACCLIMATE_SERVER_NODE_ATTEMPT_END_H_
#define ACCLIMATE_SERVER_NODE_ATTEMPT_END_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "acclimate/v1/worker.pb.h"
#include "server/jobs/lease_broker.h"
#include "server/node/worker_process.h"

namespace acclimate::node {

// Why the node has told a worker to stop. A cancellation outranks the others: it is what the
// client asked for.
enum class StopReason { kNone, kTimeLimit, kSilence, kDrain, kPreempt, kPause, kCancel };

// FAILED with what the client is told, and the cause.
jobs::AttemptOutcome Failure(v1::AttemptCause cause, absl::Status error);

// The worker ended, or was killed, without a word.
jobs::AttemptOutcome OutcomeOfDeath(const WorkerExit& exit, absl::string_view last_phase);
// The worker reported an error. Its code and text are not taken on trust.
jobs::AttemptOutcome OutcomeOfError(const v1::WorkerFinished& finished);
// Its outputs could not be taken over.
jobs::AttemptOutcome OutcomeOfImport(const absl::Status& error);
// The worker ended, in whatever way short of success, after it was told to.
// `limit`: the one that it ran into, where it did.
jobs::AttemptOutcome OutcomeOfStop(StopReason reason, absl::Duration limit);

// For the metric of exits by cause: "finished", "signal", "out_of_memory", ...
std::string ExitLabel(const jobs::AttemptOutcome& outcome);

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_ATTEMPT_END_H_
