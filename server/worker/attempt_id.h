#ifndef ACCLIMATE_SERVER_WORKER_ATTEMPT_ID_H_
#define ACCLIMATE_SERVER_WORKER_ATTEMPT_ID_H_

#include "acclimate/v1/worker.pb.h"

namespace acclimate::worker {

inline bool SameAttempt(const v1::AttemptId& a, const v1::AttemptId& b) {
  return a.job() == b.job() && a.attempt() == b.attempt() && a.epoch() == b.epoch();
}

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_ATTEMPT_ID_H_
