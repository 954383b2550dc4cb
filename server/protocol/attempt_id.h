#ifndef ACCLIMATE_SERVER_PROTOCOL_ATTEMPT_ID_H_
#define ACCLIMATE_SERVER_PROTOCOL_ATTEMPT_ID_H_

#include "acclimate/v1/worker.pb.h"

namespace acclimate::protocol {

inline bool SameAttempt(const v1::AttemptId& a, const v1::AttemptId& b) {
  return a.job() == b.job() && a.attempt() == b.attempt() && a.epoch() == b.epoch();
}

}  // namespace acclimate::protocol

#endif  // ACCLIMATE_SERVER_PROTOCOL_ATTEMPT_ID_H_
