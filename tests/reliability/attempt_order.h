// Invariant I2: an attempt writes nothing after its epoch, and a job that has ended changes no
// more.
#ifndef ACCLIMATE_TESTS_RELIABILITY_ATTEMPT_ORDER_H_
#define ACCLIMATE_TESTS_RELIABILITY_ATTEMPT_ORDER_H_

#include <vector>

#include "acclimate/v1/job.pb.h"

namespace acclimate::reliability {

// `history`: all events of the job. The numbers of attempts and their epochs rise, no event belongs
// to an attempt before that of the event before it, each change of state begins where the last
// ended, is one that docs/api.md has, and none follows an end.
void ExpectAttemptsInOrder(const v1::Job& job, const std::vector<v1::JobEvent>& history);

// What was seen first, and later: no epoch changes, and an ended job not at all.
void ExpectNoStepBack(const v1::Job& before, const v1::Job& after);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_ATTEMPT_ORDER_H_
