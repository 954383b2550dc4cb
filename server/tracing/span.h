// One timed piece of work, as OpenTelemetry knows it, and where it goes when it has ended.
#ifndef ACCLIMATE_SERVER_TRACING_SPAN_H_
#define ACCLIMATE_SERVER_TRACING_SPAN_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "server/base/trace_context.h"

namespace acclimate::tracing {

using Attribute = std::variant<std::string, int64_t, double, bool>;

struct Span {
  enum class Kind { kInternal = 1, kServer = 2 };  // the numbers of OTLP

  TraceContext context;
  std::string parent_span_id;  // empty: the trace begins here
  std::string name;
  Kind kind = Kind::kInternal;
  absl::Time start, end;
  std::map<std::string, Attribute> attributes;
  bool failed = false;
  std::string error;  // why, where it failed
};

// Thread-safe.
class SpanSink {
 public:
  virtual ~SpanSink() = default;

  // Takes a span that has ended. Never waits.
  virtual void Add(Span span) = 0;
};

}  // namespace acclimate::tracing

#endif  // ACCLIMATE_SERVER_TRACING_SPAN_H_
