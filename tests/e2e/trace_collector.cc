#include "tests/e2e/trace_collector.h"

#include <algorithm>

#include "CivetServer.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/child_process.h"

namespace acclimate::e2e {
namespace {

using Json = nlohmann::json;

ReceivedSpan Parse(const Json& json) {
  ReceivedSpan span;
  span.trace_id = json.at("traceId");
  span.span_id = json.at("spanId");
  span.parent_span_id = json.value("parentSpanId", "");
  span.name = json.at("name");
  span.start = std::stoll(std::string(json.at("startTimeUnixNano")));
  span.end = std::stoll(std::string(json.at("endTimeUnixNano")));
  for (const Json& attribute : json.at("attributes")) {
    span.attributes[std::string(attribute.at("key"))] = *attribute.at("value").begin();
  }
  span.failed = json.contains("status");
  return span;
}

}  // namespace

class TraceCollector::Handler : public CivetHandler {
 public:
  Handler() : server_({"listening_ports", "127.0.0.1:0", "num_threads", "2"}) {
    server_.addHandler("/v1/traces", this);
  }

  bool handlePost(CivetServer*, mg_connection* connection) override {
    const std::string body = CivetServer::getPostData(connection);
    absl::MutexLock lock(&mutex_);
    if (!available_) {
      mg_printf(connection, "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n");
      return true;
    }
    const Json request = Json::parse(body);
    for (const Json& resource : request.at("resourceSpans")) {
      for (const Json& scope : resource.at("scopeSpans")) {
        for (const Json& span : scope.at("spans")) spans_.push_back(Parse(span));
      }
    }
    const mg_request_info* const info = mg_get_request_info(connection);
    for (int i = 0; i < info->num_headers; ++i) {
      headers_.emplace_back(info->http_headers[i].name, info->http_headers[i].value);
    }
    mg_printf(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    return true;
  }

  int port() { return server_.getListeningPorts().front(); }

  mutable absl::Mutex mutex_;
  bool available_ ABSL_GUARDED_BY(mutex_) = true;
  std::vector<ReceivedSpan> spans_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> headers_ ABSL_GUARDED_BY(mutex_);

 private:
  CivetServer server_;  // ends first: it calls the handler
};

TraceCollector::TraceCollector() : handler_(std::make_unique<Handler>()) {}
TraceCollector::~TraceCollector() = default;

std::string TraceCollector::url() const {
  return absl::StrCat("http://127.0.0.1:", handler_->port());
}

void TraceCollector::SetAvailable(bool available) {
  absl::MutexLock lock(&handler_->mutex_);
  handler_->available_ = available;
}

std::vector<ReceivedSpan> TraceCollector::Spans() const {
  absl::MutexLock lock(&handler_->mutex_);
  return handler_->spans_;
}

std::optional<ReceivedSpan> TraceCollector::Await(const std::string& trace_id,
                                                  const std::string& name) const {
  std::optional<ReceivedSpan> found;
  WaitUntil([&] {
    for (const ReceivedSpan& span : Spans()) {
      if (span.trace_id == trace_id && span.name == name) found = span;
    }
    return found.has_value();
  });
  return found;
}

std::vector<std::string> TraceCollector::Header(const std::string& name) const {
  absl::MutexLock lock(&handler_->mutex_);
  std::vector<std::string> values;
  for (const auto& [key, value] : handler_->headers_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

}  // namespace acclimate::e2e
