#include "server/tracing/otlp_json.h"

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/base/version.h"

namespace acclimate::tracing {
namespace {

using Json = nlohmann::json;

constexpr int kStatusError = 2;  // of Status.StatusCode; a span that did not fail has none

// 64-bit integers are strings in protobuf's JSON.
struct ValueOf {
  Json operator()(const std::string& value) const { return {{"stringValue", value}}; }
  Json operator()(int64_t value) const { return {{"intValue", absl::StrCat(value)}}; }
  Json operator()(double value) const { return {{"doubleValue", value}}; }
  Json operator()(bool value) const { return {{"boolValue", value}}; }
};

Json Attributes(const std::map<std::string, Attribute>& attributes) {
  Json list = Json::array();
  for (const auto& [key, value] : attributes) {
    list.push_back({{"key", key}, {"value", std::visit(ValueOf(), value)}});
  }
  return list;
}

std::string Nanoseconds(absl::Time time) { return absl::StrCat(absl::ToUnixNanos(time)); }

Json ToJson(const Span& span) {
  Json json = {{"traceId", span.context.trace_id},
               {"spanId", span.context.span_id},
               {"name", span.name},
               {"kind", static_cast<int>(span.kind)},
               {"startTimeUnixNano", Nanoseconds(span.start)},
               {"endTimeUnixNano", Nanoseconds(span.end)},
               {"attributes", Attributes(span.attributes)}};
  if (!span.parent_span_id.empty()) json["parentSpanId"] = span.parent_span_id;
  if (span.failed) json["status"] = {{"code", kStatusError}, {"message", span.error}};
  return json;
}

}  // namespace

std::string ToOtlpJson(const std::vector<Span>& spans,
                       const std::map<std::string, Attribute>& resource) {
  Json list = Json::array();
  for (const Span& span : spans) list.push_back(ToJson(span));
  const Json scope = {{"scope", {{"name", "acclimate"}, {"version", kVersion}}}, {"spans", list}};
  const Json request = {{"resourceSpans",
                         {{{"resource", {{"attributes", Attributes(resource)}}},
                           {"scopeSpans", Json::array({scope})}}}}};
  return request.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace acclimate::tracing
