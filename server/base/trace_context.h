// W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace a call or a job belongs to.
//
//   traceparent: 00-<trace id, 32 hex digits>-<span id, 16 hex digits>-<flags, 2 hex digits>
#ifndef ACCLIMATE_SERVER_BASE_TRACE_CONTEXT_H_
#define ACCLIMATE_SERVER_BASE_TRACE_CONTEXT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace acclimate {

struct TraceContext {
  std::string trace_id;
  std::string span_id;
  bool sampled = false;  // whether its spans are recorded
};

// The key of the metadata of a call.
inline constexpr const char* kTraceparent = "traceparent";

// Nothing where the text is no traceparent: another length, upper-case or other digits, an id of
// zeros, the version ff. Versions after 00 may go on after the flags.
std::optional<TraceContext> ParseTraceparent(absl::string_view text);
std::string ToTraceparent(const TraceContext& context);

TraceContext NewTrace(bool sampled);
// A new span in the same trace.
TraceContext ChildOf(const TraceContext& parent);
// The same span for the same key, whoever asks, so that it needs not be kept.
TraceContext NamedChildOf(const TraceContext& parent, absl::string_view key);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_TRACE_CONTEXT_H_
