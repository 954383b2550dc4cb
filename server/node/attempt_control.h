// What is wanted of the attempt that a slot runs.
#ifndef ACCLIMATE_SERVER_NODE_ATTEMPT_CONTROL_H_
#define ACCLIMATE_SERVER_NODE_ATTEMPT_CONTROL_H_

#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "acclimate/v1/worker.pb.h"
#include "server/base/instant.h"
#include "server/base/wake_up.h"
#include "server/jobs/lease_broker.h"

namespace acclimate::node {

struct Wishes {
  bool cancel = false;
  bool pause = false;
  bool preempt = false;
  bool drain = false;
  bool lease_over = false;                 // nobody waits for an outcome
  Instant drain_pause = Instant::Never();  // save the state now
  Instant drain_deadline = Instant::Never();
};

// One a slot. Thread-safe; its descriptor wakes the slot's thread.
class AttemptControl {
 public:
  void Ask(jobs::LeaseBroker::Wish wish);
  void EndLease();
  // For good: also of the attempts that would come after this one.
  void Drain(Instant pause, Instant deadline);
  // Forgets what was wanted of the attempt before.
  void BeginAttempt();

  // Clears the wake-up, too.
  Wishes Read();
  bool draining() const;
  // Waits, but not longer than `duration`, until Drain() is called.
  void SleepUnlessDraining(absl::Duration duration);

  int wake_fd() const { return wake_.fd(); }  // readable after a change

 private:
  WakeUp wake_;
  mutable absl::Mutex mutex_;
  Wishes wishes_ ABSL_GUARDED_BY(mutex_);
};

// Brings wishes to the attempts they are for. A wish may arrive between the moment a lease is
// granted and the moment its slot knows: it waits here. Thread-safe.
class WishBoard {
 public:
  void Deliver(const v1::AttemptId& id, jobs::LeaseBroker::Wish wish);
  // The lease is over; nothing where the attempt has ended.
  void EndLease(const v1::AttemptId& id);
  std::vector<v1::AttemptId> Running();
  // `control` outlives its entry.
  void Begin(const v1::AttemptId& id, AttemptControl& control);
  void End(const AttemptControl& control);

 private:
  struct Entry {
    v1::AttemptId id;
    AttemptControl* control;
  };
  struct Early {
    v1::AttemptId id;
    jobs::LeaseBroker::Wish wish;
  };
  static constexpr size_t kMaxEarly = 64;  // older ones were for attempts that have ended

  absl::Mutex mutex_;
  std::vector<Entry> running_ ABSL_GUARDED_BY(mutex_);
  std::vector<Early> early_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_ATTEMPT_CONTROL_H_
