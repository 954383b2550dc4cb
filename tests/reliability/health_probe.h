// Invariant I5: health answers throughout.
#ifndef ACCLIMATE_TESTS_RELIABILITY_HEALTH_PROBE_H_
#define ACCLIMATE_TESTS_RELIABILITY_HEALTH_PROBE_H_

#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "tests/e2e/server_process.h"

namespace acclimate::reliability {

// Asks again and again while it lives, each time on a new connection, then reports the longest time
// until an answer. Every answer must be SERVING, in the long form within a second.
class HealthProbe {
 public:
  // The server stays up as long as the probe lives.
  explicit HealthProbe(const e2e::ServerProcess& server);
  ~HealthProbe();
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

 private:
  void Run();

  const std::string address_;
  absl::Notification stop_;
  absl::Duration longest_;
  std::thread thread_;
};

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_HEALTH_PROBE_H_
