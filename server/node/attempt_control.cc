#include "server/node/attempt_control.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "server/worker/attempt_id.h"

namespace acclimate::node {

using Wish = jobs::LeaseBroker::Wish;
using worker::SameAttempt;

AttemptControl::AttemptControl() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void AttemptControl::Ask(Wish wish) {
  absl::MutexLock lock(&mutex_);
  (wish == Wish::kCancel ? wishes_.cancel : wishes_.pause) = true;
  Wake();
}

void AttemptControl::Drain(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  wishes_.drain = true;
  wishes_.drain_deadline = deadline;
  Wake();
}

void AttemptControl::BeginAttempt() {
  absl::MutexLock lock(&mutex_);
  wishes_.cancel = wishes_.pause = false;
}

Wishes AttemptControl::Read() {
  absl::MutexLock lock(&mutex_);
  eventfd_t count;
  eventfd_read(wake_.get(), &count);
  return wishes_;
}

bool AttemptControl::draining() const {
  absl::MutexLock lock(&mutex_);
  return wishes_.drain;
}

void AttemptControl::SleepUnlessDraining(absl::Duration duration) const {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&wishes_.drain), duration);
}

void AttemptControl::Wake() { eventfd_write(wake_.get(), 1); }

void WishBoard::Deliver(const v1::AttemptId& id, Wish wish) {
  absl::MutexLock lock(&mutex_);
  for (const Running& entry : running_) {
    if (SameAttempt(entry.id, id)) return entry.control->Ask(wish);
  }
  if (early_.size() == kMaxEarly) early_.erase(early_.begin());
  early_.push_back({id, wish});
}

void WishBoard::Begin(const v1::AttemptId& id, AttemptControl& control) {
  absl::MutexLock lock(&mutex_);
  control.BeginAttempt();
  running_.push_back({id, &control});
  const auto mine = std::stable_partition(early_.begin(), early_.end(), [&id](const Early& entry) {
    return !SameAttempt(entry.id, id);
  });
  for (auto it = mine; it != early_.end(); ++it) control.Ask(it->wish);
  early_.erase(mine, early_.end());
}

void WishBoard::End(const AttemptControl& control) {
  absl::MutexLock lock(&mutex_);
  running_.erase(
      std::remove_if(running_.begin(), running_.end(),
                     [&control](const Running& entry) { return entry.control == &control; }),
      running_.end());
}

}  // namespace acclimate::node
