// Tells the node how a run goes, and the run what the node wants.
#ifndef ACCLIMATE_SERVER_WORKER_PROGRESS_REPORTER_H_
#define ACCLIMATE_SERVER_WORKER_PROGRESS_REPORTER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "acclimate/v1/worker.pb.h"
#include "core/job/run.h"
#include "server/protocol/channel.h"

namespace acclimate::worker {

// Changes of phase, warnings and training states go out at once. So does the first metric point of
// a phase; after it at most one goes out in kMetricInterval, and a point that is held back is
// merged into the next: the latest value of each metric always arrives.
// Request() may be called from any thread, everything else from the one that runs the job.
class ProgressReporter : public job::RunObserver {
 public:
  static constexpr absl::Duration kMetricInterval = absl::Milliseconds(50);

  // A channel that fails ends the process: without a node there is nobody to work for.
  ProgressReporter(v1::AttemptId id, protocol::Channel& channel);

  void OnPhase(const std::string& phase) override;
  void OnMetrics(const job::Progress& progress,
                 const std::map<std::string, double>& values) override;
  void OnWarning(const std::string& message) override;
  void OnTrainingState(int64_t step, const std::string& path) override;
  job::Directive NextDirective() override { return directive_.load(std::memory_order_relaxed); }

  void Request(job::Directive directive) { directive_ = directive; }
  // Sends what is held back. Call after the run.
  void Flush();
  void Send(v1::WorkerToNode message);

 private:
  const v1::AttemptId id_;
  protocol::Channel& channel_;
  std::atomic<job::Directive> directive_ = job::Directive::kContinue;
  v1::Progress progress_;
  bool held_back_ = false;
  absl::Time last_point_ = absl::InfinitePast();
};

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_PROGRESS_REPORTER_H_
