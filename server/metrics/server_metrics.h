// Everything the server tells Prometheus. metric_list.cc has the names.
#ifndef ACCLIMATE_SERVER_METRICS_SERVER_METRICS_H_
#define ACCLIMATE_SERVER_METRICS_SERVER_METRICS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace acclimate::metrics {

// What the store knows of its jobs, read anew at every scrape.
struct JobCount {
  std::string state;   // "QUEUED"
  std::string method;  // "dann"
  int64_t jobs = 0;
};
struct JobStatistics {
  std::vector<JobCount> counts;
  int64_t queue_depth = 0;
  absl::Duration oldest_queue_age = absl::ZeroDuration();
};

// Thread-safe. Recording costs an atomic addition or a short lock.
class ServerMetrics {
 public:
  ServerMetrics();
  ~ServerMetrics();
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

  // What /metrics shows: the registry, the jobs, the process.
  std::vector<std::shared_ptr<prometheus::Collectable>> Collectables() const;

  // A gauge that is read at every scrape, from any thread; left out where it has no value.
  void AddGauge(std::string name, std::function<std::optional<double>()> source);
  // More to scrape. Before the HTTP server starts.
  void AddCollectable(std::shared_ptr<prometheus::Collectable> collectable);

  // The queue. `method` is the catalogue's name of it; `state` as ShortName() gives it.
  // An empty source takes the gauges away; it returns when no scrape is using the old one.
  void SetJobStatisticsSource(std::function<JobStatistics()> source);
  void ObserveQueueWait(absl::string_view method, absl::Duration wait);
  void ObserveRunTime(absl::string_view method, absl::string_view final_state,
                      absl::Duration run_time);
  void CountRetry(absl::string_view cause);  // "crash", "lost", ...
  void CountPreemption();

  // The node and its workers.
  // Measures of the sandbox as the last ready worker reported them, "landlock" -> "on" or why not.
  // An empty source takes the gauges away; it returns when no scrape is using the old one.
  void SetSandboxSource(std::function<std::map<std::string, std::string>()> source);
  void WorkerStarted();
  void WorkerExited(absl::string_view cause);  // "finished", "signal", "out_of_memory", ...
  void ObservePhase(absl::string_view phase, absl::Duration duration);
  // `steps` steps over `samples` samples, each of `step_time` on average.
  void AddTrainingSteps(absl::string_view method, int64_t steps, int64_t samples,
                        absl::Duration step_time);

  // Artifacts.
  void AddUploadedBytes(int64_t bytes);
  void AddDownloadedBytes(int64_t bytes);

  void CountBlobCorruption();
  void CountCollectedBlob(int64_t bytes);
  void AddScrubbedBytes(int64_t bytes);

  // gRPC. `method` is "acclimate.v1.JobService/GetJob", `code` "OK" or "NOT_FOUND".
  void ObserveCall(absl::string_view method, absl::string_view code, absl::Duration latency);
  // `limit` as "rate", "streams", "upload_rate", "connections", "queued_jobs" or "stored_bytes".
  void CountLimitedCall(absl::string_view limit);
  // `reason` as "TOKEN_UNKNOWN".
  void CountAuthenticationFailure(absl::string_view reason);

  // Traces. `result` is "exported" or "dropped".
  void CountSpans(absl::string_view result, int64_t spans);

  // The stores. `store` is "jobs" or "blobs".
  void ObserveStoreCommit(absl::Duration duration, int64_t changes);
  void ObserveFsync(absl::string_view store, absl::Duration duration);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_SERVER_METRICS_H_
