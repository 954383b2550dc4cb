// Servers whose calls on files fail, that are killed at one of them, and whose clock jumps, when a
// test says so.
#ifndef ACCLIMATE_TESTS_RELIABILITY_FAULT_INJECTION_H_
#define ACCLIMATE_TESTS_RELIABILITY_FAULT_INJECTION_H_

#include <string>

#include "absl/time/time.h"
#include "tests/e2e/child_process.h"
#include "tests/reliability/failpoints.h"
#include "tests/reliability/fault_plan.h"

namespace acclimate::reliability {

// Processes that are started while it lives are under its plan. One at a time.
class FaultInjection {
 public:
  FaultInjection();
  ~FaultInjection();
  FaultInjection(const FaultInjection&) = delete;
  FaultInjection& operator=(const FaultInjection&) = delete;

  // Of calls on files below it; before a plan is made.
  void SetFolder(const std::string& folder);
  // `succeed` calls that the error suits go well, then one fails.
  void FailAfter(int64_t succeed, int error);
  // No call fails any more; true: one has failed.
  bool Stop();
  // `made` calls of the failpoint are made, then the process is killed at the next one.
  void KillAt(const Failpoint& failpoint, int64_t made);
  // It is not killed any more; true: it has been.
  bool StopKill();
  void MoveClock(absl::Duration offset);

 private:
  const e2e::TemporaryFolder folder_;
  FaultPlan* plan_ = nullptr;
};

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_FAULT_INJECTION_H_
