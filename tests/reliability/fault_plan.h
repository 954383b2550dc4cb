// What the library that is loaded into a server before all others (fault_library.cc) does to it:
// shared memory, in a file whose path is in the environment variable kFaultPlanVariable.
#ifndef ACCLIMATE_TESTS_RELIABILITY_FAULT_PLAN_H_
#define ACCLIMATE_TESTS_RELIABILITY_FAULT_PLAN_H_

#include <atomic>
#include <cstdint>

namespace acclimate::reliability {

inline constexpr char kFaultPlanVariable[] = "ACCLIMATE_FAULT_PLAN";

// Kinds of calls on files.
enum class FileCall : int32_t {
  kNone,
  kCreate,
  kWrite,
  kAllocate,
  kTruncate,
  kSync,
  kRename,
  kUnlink
};

struct FaultPlan {
  // Calls that change a file, or open one (EMFILE), or map one (ENOMEM), below `folder`: so many
  // succeed, then one fails with `error`. Negative: none fails.
  std::atomic<int64_t> succeed{-1};
  std::atomic<int32_t> error{0};
  // So many calls of this kind, on a path below `folder` that ends in `kill_path`, or that has it
  // as one of its folders where it ends in '/', are made; then the process is killed before the
  // next one, or after it. Negative: it is not killed.
  std::atomic<int64_t> kill_countdown{-1};
  FileCall kill_call = FileCall::kNone;
  bool kill_after = false;
  char kill_path[64] = {};
  // Of the wall clock. Waits that end at a time of day take it into account.
  std::atomic<int64_t> clock_offset_nanoseconds{0};
  char folder[512] = {};
};

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_FAULT_PLAN_H_
