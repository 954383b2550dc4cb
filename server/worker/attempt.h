// The life of a worker after its start: wait for one assignment, run it, say how it ended.
#ifndef ACCLIMATE_SERVER_WORKER_ATTEMPT_H_
#define ACCLIMATE_SERVER_WORKER_ATTEMPT_H_

#include "server/protocol/channel.h"

namespace acclimate::worker {

// Returns the exit code of the process. A node that goes away ends it at any time.
int ServeOneAttempt(protocol::Channel& channel);

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_ATTEMPT_H_
