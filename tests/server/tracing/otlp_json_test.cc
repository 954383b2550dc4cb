#include "server/tracing/otlp_json.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace acclimate::tracing {
namespace {

using Json = nlohmann::json;

Span ASpan() {
  Span span;
  span.context = {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true};
  span.parent_span_id = "00f067aa0ba902b7";
  span.name = "acclimate.v1.JobService/GetJob";
  span.kind = Span::Kind::kServer;
  span.start = absl::FromUnixNanos(1700000000123456789);
  span.end = absl::FromUnixNanos(1700000001000000000);
  span.attributes = {{"text", "a"}, {"whole", int64_t{1} << 60}, {"real", 0.5}, {"flag", true}};
  return span;
}

// The field names and forms are those of the specification's example for JSON.
TEST(OtlpJsonTest, HasTheFormOfTheSpecification) {
  const Json json = Json::parse(ToOtlpJson({ASpan()}, {{"service.name", "acclimated"}}));
  const Json& resource_spans = json.at("resourceSpans").at(0);
  EXPECT_EQ(resource_spans.at("resource").at("attributes"),
            Json::parse(R"([{"key":"service.name","value":{"stringValue":"acclimated"}}])"));
  const Json& span = resource_spans.at("scopeSpans").at(0).at("spans").at(0);
  EXPECT_EQ(span.at("traceId"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(span.at("spanId"), "b7ad6b7169203331");
  EXPECT_EQ(span.at("parentSpanId"), "00f067aa0ba902b7");
  EXPECT_EQ(span.at("name"), "acclimate.v1.JobService/GetJob");
  EXPECT_EQ(span.at("kind"), 2);
  EXPECT_EQ(span.at("startTimeUnixNano"), "1700000000123456789");
  EXPECT_EQ(span.at("endTimeUnixNano"), "1700000001000000000");
  EXPECT_EQ(span.at("attributes"), Json::parse(R"([{"key":"flag","value":{"boolValue":true}},
                            {"key":"real","value":{"doubleValue":0.5}},
                            {"key":"text","value":{"stringValue":"a"}},
                            {"key":"whole","value":{"intValue":"1152921504606846976"}}])"));
  EXPECT_FALSE(span.contains("status"));
}

TEST(OtlpJsonTest, AFailedSpanSaysWhy) {
  Span span = ASpan();
  span.parent_span_id.clear();
  span.failed = true;
  span.error = "no \xff disk";
  const Json json = Json::parse(ToOtlpJson({span}, {}));
  const Json& sent = json.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").at(0);
  EXPECT_EQ(sent.at("status"), Json({{"code", 2}, {"message", "no \xef\xbf\xbd disk"}}));
  EXPECT_FALSE(sent.contains("parentSpanId"));
}

}  // namespace
}  // namespace acclimate::tracing
