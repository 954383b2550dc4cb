// One more warm worker than there are idle slots, so that a slot goes on with the next attempt as
// soon as the last has ended.
#ifndef ACCLIMATE_SERVER_NODE_SPARE_WORKER_H_
#define ACCLIMATE_SERVER_NODE_SPARE_WORKER_H_

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/base/wake_up.h"
#include "server/metrics/server_metrics.h"
#include "server/node/worker_process.h"
#include "server/node/worker_starter.h"

namespace acclimate::node {

// Thread-safe. Start, Drain and Join are called once each, in this order, by the node; Join after
// all who took a worker have let it go, for workers end with the thread that started them.
class SpareWorker {
 public:
  SpareWorker(WorkerStarter& starter, metrics::ServerMetrics& metrics)
      : starter_(starter), metrics_(metrics) {}

  void Start();
  void Drain();
  void Join();

  // A slot has become busy: it will need a worker. Before Start(), nothing happens.
  void Prepare();
  // The spare, for which it waits while it warms up. Null: there is none, as when memory is short,
  // or somebody else waits for it.
  std::unique_ptr<WorkerProcess> Take();

  bool ready() const;

 private:
  // From kIdle: kWanted by Prepare(), kStarting while it warms up, kReady until it is taken.
  enum class State { kIdle, kWanted, kStarting, kReady };

  void Run();
  void StartOne();
  void LetGoIfNeeded();
  bool draining() const;

  WorkerStarter& starter_;
  metrics::ServerMetrics& metrics_;
  WakeUp wake_;
  mutable absl::Mutex mutex_;
  absl::CondVar started_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  bool awaited_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<WorkerProcess> worker_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_SPARE_WORKER_H_
