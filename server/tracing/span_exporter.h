// Brings spans to a collector, from a thread of its own.
#ifndef ACCLIMATE_SERVER_TRACING_SPAN_EXPORTER_H_
#define ACCLIMATE_SERVER_TRACING_SPAN_EXPORTER_H_

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/metrics/server_metrics.h"
#include "server/tracing/span.h"

namespace acclimate::tracing {

struct SpanExporterOptions {
  std::map<std::string, Attribute> resource;
  size_t max_waiting = 8192;  // spans that come when so many wait are dropped, and counted
  size_t batch = 512;         // spans of one request, at most
  absl::Duration interval = absl::Seconds(1);
  absl::Duration first_back_off = absl::Seconds(1);
  absl::Duration longest_back_off = absl::Seconds(30);
  absl::Duration request_limit = absl::Seconds(5);
  absl::Duration stop_limit = absl::Seconds(5);
};

// 1. What waits is sent once an interval, and when a batch is full.
// 2. A request that may succeed later is repeated, with growing pauses; one that was refused is
//    dropped. Both are logged once, until a request succeeds again.
// 3. Every span ends in acclimate_spans_total: as exported, where its request was answered with
//    success, or as dropped.
// 4. The destructor sends what waits for as long as `stop_limit`, without repeating a request, and
//    drops the rest.
class SpanExporter : public SpanSink {
 public:
  // One request, which ends within the limit: OK, UNAVAILABLE (repeat it later), or anything else.
  using Poster = std::function<absl::Status(const std::string& json, absl::Duration limit)>;

  // `metrics` outlives the exporter.
  SpanExporter(Poster post, metrics::ServerMetrics& metrics, SpanExporterOptions options);
  ~SpanExporter() override;

  void Add(Span span) override;

 private:
  void Run();
  // The next batch; empty: the exporter ends.
  std::vector<Span> Next();
  // True: it is over with the batch.
  bool Send(const std::vector<Span>& batch);
  void Pause(absl::Duration duration);
  void DropWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Poster post_;
  metrics::ServerMetrics& metrics_;
  const SpanExporterOptions options_;

  absl::Mutex mutex_;
  std::vector<Span> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time stop_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool failing_ = false;  // of the thread
  std::thread thread_;
};

}  // namespace acclimate::tracing

#endif  // ACCLIMATE_SERVER_TRACING_SPAN_EXPORTER_H_
