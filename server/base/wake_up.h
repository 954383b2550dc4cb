// Where one thread waits until another wakes it or a time comes, whatever the wall clock does: the
// waits of absl::Mutex end at a time of that clock.
#ifndef ACCLIMATE_SERVER_BASE_WAKE_UP_H_
#define ACCLIMATE_SERVER_BASE_WAKE_UP_H_

#include "server/base/instant.h"

namespace acclimate {

// Thread-safe; one thread waits at a time.
class WakeUp {
 public:
  WakeUp();
  ~WakeUp();
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  void Wake();
  // Returns at once when Wake() was called since the last Clear().
  void WaitUntil(Instant time) const;
  void Clear();

  int fd() const { return fd_; }  // readable while it has been woken

 private:
  const int fd_;
};

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_WAKE_UP_H_
