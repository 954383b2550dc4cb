// OTLP/HTTP's JSON form of spans: an ExportTraceServiceRequest
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
#ifndef ACCLIMATE_SERVER_TRACING_OTLP_JSON_H_
#define ACCLIMATE_SERVER_TRACING_OTLP_JSON_H_

#include <map>
#include <string>
#include <vector>

#include "server/tracing/span.h"

namespace acclimate::tracing {

// `resource` says what made the spans: {"service.name", "acclimated"}, ... Bytes that are not UTF-8
// become U+FFFD.
std::string ToOtlpJson(const std::vector<Span>& spans,
                       const std::map<std::string, Attribute>& resource);

}  // namespace acclimate::tracing

#endif  // ACCLIMATE_SERVER_TRACING_OTLP_JSON_H_
