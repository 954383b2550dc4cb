// An OTLP/HTTP collector that keeps what it gets.
#ifndef ACCLIMATE_TESTS_E2E_TRACE_COLLECTOR_H_
#define ACCLIMATE_TESTS_E2E_TRACE_COLLECTOR_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nlohmann/json.hpp"

namespace acclimate::e2e {

struct ReceivedSpan {
  std::string trace_id, span_id, parent_span_id, name;
  int64_t start = 0, end = 0;  // nanoseconds since 1970
  nlohmann::json attributes;   // {"acclimate.job": "tenants/..."}
  bool failed = false;
};

class TraceCollector {
 public:
  TraceCollector();
  ~TraceCollector();

  std::string url() const;
  // Answers 503 while it is not available.
  void SetAvailable(bool available);

  std::vector<ReceivedSpan> Spans() const;
  // Waits for a span of this name in the trace.
  std::optional<ReceivedSpan> Await(const std::string& trace_id, const std::string& name) const;
  // Of the requests that were accepted: a header's values.
  std::vector<std::string> Header(const std::string& name) const;

 private:
  class Handler;
  std::unique_ptr<Handler> handler_;
};

}  // namespace acclimate::e2e

#endif  // ACCLIMATE_TESTS_E2E_TRACE_COLLECTOR_H_
