#include "server/jobs/retry_policy.h"

#include <algorithm>
#include <csignal>

#include "absl/strings/str_cat.h"

namespace acclimate::jobs {
namespace {

bool IsFailure(const v1::Attempt& attempt) {
  switch (attempt.cause()) {
    case v1::ATTEMPT_CAUSE_CRASH:
    case v1::ATTEMPT_CAUSE_LOST:
    case v1::ATTEMPT_CAUSE_DISK_FULL:
    case v1::ATTEMPT_CAUSE_OUT_OF_MEMORY:
      return true;
    default:
      return false;
  }
}

int Count(const v1::Job& job, v1::AttemptCause cause) {
  return static_cast<int>(
      std::count_if(job.attempts().begin(), job.attempts().end(),
                    [cause](const v1::Attempt& one) { return one.cause() == cause; }));
}

// SIGKILL comes from outside: it says nothing of the place.
bool CrashedAtSamePlace(const v1::Attempt& a, const v1::Attempt& b) {
  return a.cause() == v1::ATTEMPT_CAUSE_CRASH && b.cause() == v1::ATTEMPT_CAUSE_CRASH &&
         a.signal() != SIGKILL && a.signal() == b.signal() && a.exit_code() == b.exit_code() &&
         a.last_phase() == b.last_phase() && a.message() == b.message();
}

bool IsPoison(const v1::Job& job) {
  const v1::Attempt& last = *job.attempts().rbegin();
  return std::any_of(job.attempts().begin(), job.attempts().end() - 1,
                     [&last](const v1::Attempt& one) { return CrashedAtSamePlace(one, last); });
}

}  // namespace

RetryDecision DecideRetry(const v1::Job& job, const RetryPolicy& policy) {
  const v1::Attempt& last = *job.attempts().rbegin();
  if (!IsFailure(last)) return {};
  if (Count(job, v1::ATTEMPT_CAUSE_OUT_OF_MEMORY) > 1) return {};
  if (IsPoison(job)) {
    return {false, absl::ZeroDuration(), "crashed twice at the same place; not tried again"};
  }
  const auto failures = std::count_if(job.attempts().begin(), job.attempts().end(), &IsFailure);
  if (failures > policy.max_retries) {
    const std::string reason =
        failures > 1 ? absl::StrCat("failed ", failures, " times; not tried again") : "";
    return {false, absl::ZeroDuration(), reason};
  }
  const absl::Duration doubled =
      policy.first_delay * (int64_t{1} << std::min<int64_t>(failures - 1, 30));
  return {true, std::min(doubled, policy.longest_delay), ""};
}

int BatchDivisor(const v1::Job& job) {
  const bool halve = job.spec().smaller_batch() && Count(job, v1::ATTEMPT_CAUSE_OUT_OF_MEMORY) > 0;
  return halve ? 2 : 1;
}

}  // namespace acclimate::jobs
