#include "server/artifacts/background_thread.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "server/base/log.h"

namespace acclimate::artifacts {
namespace {

// A rest is so many times as long as the step before it.
constexpr int kRestShare = 3;
constexpr absl::Duration kShortestRest = absl::Milliseconds(1);
constexpr absl::Duration kLongestRest = absl::Seconds(1);

// From linux/ioprio.h, which Debian does not install for programs.
constexpr int kIoPriorityWhoProcess = 1;
constexpr int kIoPriorityIdle = 3 << 13;

void LowerPriority() {
  constexpr int kLowest = 19;
  // Of this thread: the kernel takes 0 for the calling thread.
  if (setpriority(PRIO_PROCESS, 0, kLowest) != 0 ||
      syscall(SYS_ioprio_set, kIoPriorityWhoProcess, 0, kIoPriorityIdle) != 0) {
    LogWarning("a background thread keeps the usual priority");
  }
}

}  // namespace

BackgroundThread::BackgroundThread(absl::Duration interval, std::function<void(const Rest&)> pass)
    : pass_(std::move(pass)), thread_([this, interval] { Run(interval); }) {}

BackgroundThread::~BackgroundThread() {
  stop_.Notify();
  thread_.join();
}

void BackgroundThread::Run(absl::Duration interval) {
  LowerPriority();
  absl::Time next = absl::Now() + interval;
  while (!stop_.WaitForNotificationWithTimeout(next - absl::Now())) {
    next = absl::Now() + interval;
    absl::Time step = absl::Now();
    pass_([&] {
      const absl::Duration rest =
          std::clamp(kRestShare * (absl::Now() - step), kShortestRest, kLongestRest);
      const bool stopped = stop_.WaitForNotificationWithTimeout(rest);
      step = absl::Now();
      return !stopped;
    });
  }
}

}  // namespace acclimate::artifacts
