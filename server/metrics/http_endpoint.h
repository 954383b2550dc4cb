// A small HTTP server for what is read only: /metrics, and the status page.
//
//   auto endpoint = HttpEndpoint::Start("127.0.0.1:9464", {{"/metrics", ServeMetrics(metrics)}});
#ifndef ACCLIMATE_SERVER_METRICS_HTTP_ENDPOINT_H_
#define ACCLIMATE_SERVER_METRICS_HTTP_ENDPOINT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct mg_connection;
struct mg_context;

namespace acclimate::metrics {

struct HttpRequest {
  std::string path;           // "/ui/curve.json", decoded
  std::string query;          // behind the "?", as it came
  std::string authorization;  // the header of that name; empty: none
  std::string host;           // the header of that name
  std::string peer;           // "ipv4:10.0.0.7:51234", as gRPC writes it

  // A parameter of the query, decoded; empty where there is none.
  std::string Parameter(const std::string& name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  // What a browser may do with it. Nothing, unless the response says otherwise.
  std::string content_security_policy = "default-src 'none'; frame-ancestors 'none'";
  std::vector<std::pair<std::string, std::string>> more_headers;
};

// Called from several threads at once.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

struct HttpEndpointOptions {
  int threads = 16;  // requests at a time; further ones wait
  // A connection that has not sent its request by then is closed, and so is one that takes nothing
  // of its answer for as long.
  absl::Duration patience = absl::Seconds(5);
};

// 1. GET and HEAD only; other methods are answered 405, paths without a handler 404.
// 2. A handler that throws is answered 500, and logged.
// 3. No answer is stored by a browser, taken for another type than it says, or shown in a frame.
// Thread-safe. What the handlers use outlives the endpoint.
class HttpEndpoint {
 public:
  // UNAVAILABLE names the address when it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(
      const std::string& address, std::map<std::string, HttpHandler> handlers,
      const HttpEndpointOptions& options = {});
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  int port() const { return port_; }

 private:
  explicit HttpEndpoint(std::map<std::string, HttpHandler> handlers)
      : handlers_(std::move(handlers)) {}
  static int OnRequest(mg_connection* connection);
  HttpResponse Answer(const mg_connection* connection) const;

  const std::map<std::string, HttpHandler> handlers_;
  mg_context* context_ = nullptr;
  int port_ = 0;
};

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_HTTP_ENDPOINT_H_
