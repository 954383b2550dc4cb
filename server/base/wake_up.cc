#include "server/base/wake_up.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace acclimate {

WakeUp::WakeUp() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

WakeUp::~WakeUp() { close(fd_); }

void WakeUp::Wake() { eventfd_write(fd_, 1); }

void WakeUp::WaitUntil(Instant time) const {
  pollfd entry = {fd_, POLLIN, 0};
  while (poll(&entry, 1, time.PollMilliseconds()) <= 0) {
    if (Instant::Now() >= time) return;
  }
}

void WakeUp::Clear() {
  eventfd_t count;
  eventfd_read(fd_, &count);
}

}  // namespace acclimate
