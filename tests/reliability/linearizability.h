// Whether what clients saw of one job could have happened one call after the other.
#ifndef ACCLIMATE_TESTS_RELIABILITY_LINEARIZABILITY_H_
#define ACCLIMATE_TESTS_RELIABILITY_LINEARIZABILITY_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "acclimate/v1/job.pb.h"

namespace acclimate::reliability {

// One call on the job, and its answer.
struct Operation {
  enum class Kind { kCreate, kGet, kCancel, kPause, kResume };
  Kind kind = Kind::kGet;
  int64_t invoked = 0;   // of one clock
  int64_t returned = 0;  // later
  absl::StatusCode code = absl::StatusCode::kOk;
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;  // of the answer, where the code is OK
  int64_t cursor = 0;                              // of its newest event
};

// Searches for an order of the operations in which each takes effect between its call and its
// answer, and answers what a job would that is alone in a queue without slots (Wing and Gong,
// Testing and Verifying Concurrent Objects, 1993; with the memory of Lowe, 2017). At most 64
// operations.
bool IsLinearizable(const std::vector<Operation>& history);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_LINEARIZABILITY_H_
