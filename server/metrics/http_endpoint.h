// A small HTTP server for what is read only: /metrics, and the status page.
//
//   auto endpoint = HttpEndpoint::Start("127.0.0.1:9464", {{"/metrics", ServeMetrics(metrics)}});
#ifndef ACCLIMATE_SERVER_METRICS_HTTP_ENDPOINT_H_
#define ACCLIMATE_SERVER_METRICS_HTTP_ENDPOINT_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/metrics/http_request.h"

namespace acclimate::metrics {

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
  int threads = 4;  // handlers at a time; further requests wait
  // A connection that has not sent its request by then is closed, and so is one that takes nothing
  // of its answer for as long.
  absl::Duration patience = absl::Seconds(5);
  size_t max_connections = 256;
};

// 1. GET and HEAD only; other methods are answered 405, paths without a handler 404, what is no
//    request 400, a head of more than 16 KiB 431. One request a connection.
// 2. A handler that throws is answered 500, and logged.
// 3. No answer is stored by a browser, taken for another type than it says, or shown in a frame.
// 4. A connection takes a thread only while its handler runs: those that say nothing, or read
//    nothing, hold up no other. Where there are too many connections, the oldest of those that
//    have not sent their request makes room, then the oldest of those that do not read.
// Thread-safe. What the handlers use outlives the endpoint.
class HttpEndpoint {
 public:
  // UNAVAILABLE names the address when it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(
      const std::string& address, std::map<std::string, HttpHandler> handlers,
      const HttpEndpointOptions& options = {});
  ~HttpEndpoint();  // waits for handlers that run
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  int port() const;

 private:
  class Loop;
  explicit HttpEndpoint(std::unique_ptr<Loop> loop);

  const std::unique_ptr<Loop> loop_;
};

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_HTTP_ENDPOINT_H_
