#include "server/node/attempt_control.h"

#include <algorithm>

#include "server/protocol/attempt_id.h"

namespace acclimate::node {

using Wish = jobs::LeaseBroker::Wish;
using protocol::SameAttempt;

void AttemptControl::Ask(Wish wish) {
  absl::MutexLock lock(&mutex_);
  switch (wish) {
    case Wish::kCancel:
      wishes_.cancel = true;
      break;
    case Wish::kPause:
      wishes_.pause = true;
      break;
    case Wish::kPreempt:
      wishes_.preempt = true;
  }
  wake_.Wake();
}

void AttemptControl::EndLease() {
  absl::MutexLock lock(&mutex_);
  wishes_.lease_over = true;
  wake_.Wake();
}

void AttemptControl::Drain(Instant pause, Instant deadline) {
  absl::MutexLock lock(&mutex_);
  wishes_.drain = true;
  wishes_.drain_pause = pause;
  wishes_.drain_deadline = deadline;
  wake_.Wake();
}

void AttemptControl::BeginAttempt() {
  absl::MutexLock lock(&mutex_);
  wishes_.cancel = wishes_.pause = wishes_.preempt = wishes_.lease_over = false;
}

Wishes AttemptControl::Read() {
  absl::MutexLock lock(&mutex_);
  wake_.Clear();
  return wishes_;
}

bool AttemptControl::draining() const {
  absl::MutexLock lock(&mutex_);
  return wishes_.drain;
}

void AttemptControl::SleepUnlessDraining(absl::Duration duration) {
  const Instant end = Instant::Now() + duration;
  while (!Read().drain && Instant::Now() < end) wake_.WaitUntil(end);
}

void WishBoard::Deliver(const v1::AttemptId& id, Wish wish) {
  absl::MutexLock lock(&mutex_);
  for (const Entry& entry : running_) {
    if (SameAttempt(entry.id, id)) return entry.control->Ask(wish);
  }
  if (early_.size() == kMaxEarly) early_.erase(early_.begin());
  early_.push_back({id, wish});
}

void WishBoard::EndLease(const v1::AttemptId& id) {
  absl::MutexLock lock(&mutex_);
  for (const Entry& entry : running_) {
    if (SameAttempt(entry.id, id)) return entry.control->EndLease();
  }
}

std::vector<v1::AttemptId> WishBoard::Running() {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::AttemptId> ids;
  for (const Entry& entry : running_) ids.push_back(entry.id);
  return ids;
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
                     [&control](const Entry& entry) { return entry.control == &control; }),
      running_.end());
}

}  // namespace acclimate::node
