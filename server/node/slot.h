// One attempt at a time, with a warm worker in between.
#ifndef ACCLIMATE_SERVER_NODE_SLOT_H_
#define ACCLIMATE_SERVER_NODE_SLOT_H_

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "acclimate/v1/worker.pb.h"
#include "server/base/instant.h"
#include "server/jobs/lease_broker.h"
#include "server/node/attempt_control.h"
#include "server/node/attempt_supervisor.h"
#include "server/node/node.h"
#include "server/node/spare_worker.h"
#include "server/node/worker_process.h"
#include "server/node/worker_starter.h"

namespace acclimate::node {

// Start, Drain and Join are called once each, in this order, by the node.
class Slot {
 public:
  // Everything outlives the slot.
  Slot(int number, const NodeOptions& options, const Services& services, WishBoard& wishes,
       WorkerStarter& starter, SpareWorker& spare);

  void Start();
  void Drain(Instant pause, Instant deadline) { control_.Drain(pause, deadline); }
  void Join();

  struct State {
    bool warm = false;  // a ready worker waits for a lease
    bool busy = false;
  };
  State state() const;

 private:
  void Run();
  // A ready worker; null when the slot drains first.
  std::unique_ptr<WorkerProcess> WarmWorker();
  std::optional<jobs::Lease> NextLease();
  void RunLease(const jobs::Lease& lease, std::unique_ptr<WorkerProcess> worker);
  void Finish(const v1::AttemptId& id, const jobs::AttemptOutcome& outcome);
  void SetState(bool warm, bool busy);

  const int number_;
  const NodeOptions& options_;
  const Services& services_;
  WishBoard& wishes_;
  WorkerStarter& starter_;
  SpareWorker& spare_;
  AttemptControl control_;
  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_SLOT_H_
