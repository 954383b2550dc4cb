// Work that is done again and again beside the traffic.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_BACKGROUND_THREAD_H_
#define ACCLIMATE_SERVER_ARTIFACTS_BACKGROUND_THREAD_H_

#include <functional>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace acclimate::artifacts {

// To be called after each small step of a pass. It waits, so that the steps take at most a quarter
// of the time; false: the pass is to end.
using Rest = std::function<bool()>;

// Runs `pass` on a thread of its own with the lowest priority, first after one interval, then at
// most once an interval. The destructor ends the pass that runs, at its next rest.
class BackgroundThread {
 public:
  BackgroundThread(absl::Duration interval, std::function<void(const Rest&)> pass);
  ~BackgroundThread();
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

 private:
  void Run(absl::Duration interval);

  const std::function<void(const Rest&)> pass_;
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_BACKGROUND_THREAD_H_
