// One attempt: hands a lease to a warm worker, listens to it, stops it when it must, and says how
// it ended.
#ifndef ACCLIMATE_SERVER_NODE_ATTEMPT_SUPERVISOR_H_
#define ACCLIMATE_SERVER_NODE_ATTEMPT_SUPERVISOR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "acclimate/v1/worker.pb.h"
#include "server/artifacts/blob_store.h"
#include "server/artifacts/local_blob_files.h"
#include "server/base/instant.h"
#include "server/jobs/lease_broker.h"
#include "server/metrics/server_metrics.h"
#include "server/node/attempt_control.h"
#include "server/node/attempt_end.h"
#include "server/node/node.h"
#include "server/node/worker_process.h"

namespace acclimate::node {

// What a node works with; everything outlives it.
struct Services {
  jobs::LeaseBroker& broker;
  artifacts::BlobStores& blobs;
  metrics::ServerMetrics& metrics;
};

class AttemptSupervisor {
 public:
  // `options.threads_per_slot` is resolved. Everything outlives the supervisor.
  AttemptSupervisor(const jobs::Lease& lease, WorkerProcess& worker, AttemptControl& control,
                    const Services& services, const NodeOptions& options);

  // Runs to the end; the worker has ended when it returns.
  // UNAVAILABLE: the worker was gone before it took the assignment.
  // ABORTED: the lease is over, and nobody waits for an outcome.
  absl::StatusOr<jobs::AttemptOutcome> Run();

 private:
  absl::Status SendAssignment();
  void AddCheckpoint(v1::Assignment& assignment);
  absl::Status AddFile(v1::InputFile::Role role, const v1::DatasetRef& file,
                       v1::Assignment& assignment);
  absl::StatusOr<jobs::AttemptOutcome> Supervise();

  void ObeyWishes(const Wishes& wishes);
  void CheckSilence();
  void Stop(StopReason reason, absl::Duration grace);
  void Pause(StopReason reason);
  // It was asked to save its state for a client's or another job's sake, not because time is short.
  bool PausesForOthers() const;
  Instant NextLook(const Wishes& wishes) const;
  void Send(v1::NodeToWorker message);

  // OK: go on. ABORTED: the lease is over. Anything else: the worker broke the protocol.
  absl::Status Handle(const v1::WorkerToNode& message);
  absl::Status HandleProgress(const v1::Progress& progress);
  absl::Status HandleWarning(const std::string& text);
  absl::Status HandleTrainingState(const v1::WorkerToNode::TrainingState& state);
  absl::Status ReportStart();
  absl::Status OverIfAborted(const absl::Status& report, const char* what);
  void EndPhase();
  absl::Duration LimitOf(StopReason reason) const;

  jobs::AttemptOutcome Finished();
  jobs::AttemptOutcome Succeeded();
  jobs::AttemptOutcome Paused();
  // Taken over as blobs.
  absl::StatusOr<v1::JobResult> Outputs(std::vector<artifacts::BlobHold>& holds);
  jobs::AttemptOutcome Died();
  jobs::AttemptOutcome BrokeProtocol(const absl::Status& how);

  const jobs::Lease& lease_;
  WorkerProcess& worker_;
  AttemptControl& control_;
  const Services& services_;
  const NodeOptions& options_;

  const Instant start_ = Instant::Now();
  const absl::Duration run_time_limit_;
  MemoryLimit memory_limit_;
  std::vector<artifacts::FileDescriptor> files_;  // until they are sent
  bool started_ = false;
  StopReason stop_ = StopReason::kNone;
  Instant kill_at_ = Instant::Never();
  Instant active_at_ = start_;  // when it last spoke, or was seen to have computed
  std::optional<absl::Duration> processor_time_;  // when that was last looked at
  v1::Progress progress_;                         // the last
  Instant phase_start_ = start_;
  std::vector<std::string> warnings_;
  std::optional<v1::WorkerFinished> finished_;
};

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_ATTEMPT_SUPERVISOR_H_
