// A point in time that no setting of the clock moves: for waits and limits.
#ifndef ACCLIMATE_SERVER_BASE_INSTANT_H_
#define ACCLIMATE_SERVER_BASE_INSTANT_H_

#include <algorithm>
#include <chrono>

#include "absl/time/time.h"

namespace acclimate {

// Of this process's machine since it was started, on CLOCK_MONOTONIC. Only differences say
// anything.
class Instant {
 public:
  static Instant Now() {
    return Instant(absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch()));
  }
  static Instant Never() { return Instant(absl::InfiniteDuration()); }    // after all others
  static Instant Always() { return Instant(-absl::InfiniteDuration()); }  // before all others

  friend Instant operator+(Instant a, absl::Duration b) { return Instant(a.since_start_ + b); }
  friend absl::Duration operator-(Instant a, Instant b) { return a.since_start_ - b.since_start_; }
  friend bool operator==(Instant a, Instant b) { return a.since_start_ == b.since_start_; }
  friend bool operator<(Instant a, Instant b) { return a.since_start_ < b.since_start_; }
  friend bool operator>(Instant a, Instant b) { return b < a; }
  friend bool operator<=(Instant a, Instant b) { return !(b < a); }
  friend bool operator>=(Instant a, Instant b) { return !(a < b); }

  // For poll(): from now on, rounded up, at least 0 and at most an hour.
  int PollMilliseconds() const {
    const absl::Duration left = absl::Ceil(*this - Now(), absl::Milliseconds(1));
    return static_cast<int>(
        absl::ToInt64Milliseconds(std::clamp(left, absl::ZeroDuration(), absl::Hours(1))));
  }

 private:
  explicit Instant(absl::Duration since_start) : since_start_(since_start) {}

  absl::Duration since_start_;
};

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_INSTANT_H_
