#include "server/metrics/http_endpoint.h"

#include <algorithm>
#include <exception>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "civetweb.h"
#include "server/base/log.h"

namespace acclimate::metrics {
namespace {

// A response is written in pieces, each of which gets the whole patience: a large one may take
// longer over a slow line.
constexpr size_t kPieceBytes = size_t{64} << 10;

std::string HeaderOf(const mg_connection* connection, const char* name) {
  const char* const value = mg_get_header(connection, name);
  return value == nullptr ? "" : value;
}

std::string PeerOf(const mg_request_info& info) {
  return absl::StrCat("ipv4:", info.remote_addr, ":", info.remote_port);
}

HttpResponse PlainText(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(text);
  return response;
}

std::string HeadOf(const HttpResponse& response, mg_connection* connection) {
  std::string head = absl::StrCat(
      "HTTP/1.1 ", response.status, " ", mg_get_response_code_text(connection, response.status),
      "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(),
      "\r\nCache-Control: no-store\r\nContent-Security-Policy: ", response.content_security_policy,
      "\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY",
      "\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n");
  for (const auto& [name, value] : response.more_headers) {
    absl::StrAppend(&head, name, ": ", value, "\r\n");
  }
  return absl::StrCat(head, "\r\n");
}

void Send(mg_connection* connection, absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), kPieceBytes);
    if (mg_write(connection, bytes.data(), size) != static_cast<int>(size)) return;
    bytes.remove_prefix(size);
  }
}

int OnLogMessage(const mg_connection*, const char* message) {
  LogDebug("http", {{"message", message}});
  return 1;
}

}  // namespace

std::string HttpRequest::Parameter(const std::string& name) const {
  std::string value(query.size() + 1, '\0');  // decoded it is no longer
  const int length =
      mg_get_var(query.data(), query.size(), name.c_str(), value.data(), value.size());
  value.resize(std::max(length, 0));
  return value;
}

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(
    const std::string& address, std::map<std::string, HttpHandler> handlers,
    const HttpEndpointOptions& options) {
  auto endpoint = absl::WrapUnique(new HttpEndpoint(std::move(handlers)));
  const std::string threads = absl::StrCat(options.threads);
  const std::string patience = absl::StrCat(absl::ToInt64Milliseconds(options.patience));
  const char* settings[] = {"listening_ports",    address.c_str(),  "num_threads", threads.c_str(),
                            "request_timeout_ms", patience.c_str(), nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = &HttpEndpoint::OnRequest;
  callbacks.log_message = &OnLogMessage;
  endpoint->context_ = mg_start(&callbacks, endpoint.get(), settings);
  if (endpoint->context_ == nullptr) {  // civetweb says no more than that it failed
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address,
                     " for metrics: the port is in use, or the address is not this machine's"));
  }
  mg_server_port port{};
  if (mg_get_server_ports(endpoint->context_, 1, &port) > 0) endpoint->port_ = port.port;
  return endpoint;
}

HttpEndpoint::~HttpEndpoint() {
  if (context_ != nullptr) mg_stop(context_);
}

int HttpEndpoint::OnRequest(mg_connection* connection) {
  const mg_request_info& info = *mg_get_request_info(connection);
  const HttpResponse response =
      static_cast<const HttpEndpoint*>(info.user_data)->Answer(connection);
  Send(connection, HeadOf(response, connection));
  if (absl::string_view(info.request_method) != "HEAD") Send(connection, response.body);
  return response.status;
}

HttpResponse HttpEndpoint::Answer(const mg_connection* connection) const {
  const mg_request_info& info = *mg_get_request_info(connection);
  const std::string path = info.local_uri == nullptr ? "" : info.local_uri;
  const auto handler = handlers_.find(path);
  if (handler == handlers_.end()) return PlainText(404, "There is nothing here.\n");
  const absl::string_view method = info.request_method;
  if (method != "GET" && method != "HEAD") {
    HttpResponse refusal = PlainText(405, "Only GET and HEAD are answered here.\n");
    refusal.more_headers = {{"Allow", "GET, HEAD"}};
    return refusal;
  }
  try {
    return handler->second({path, info.query_string == nullptr ? "" : info.query_string,
                            HeaderOf(connection, "Authorization"), HeaderOf(connection, "Host"),
                            PeerOf(info)});
  } catch (const std::exception& exception) {
    LogError("an HTTP handler threw", {{"path", path}, {"error", exception.what()}});
    return PlainText(500, "The server could not answer; its log says why.\n");
  }
}

}  // namespace acclimate::metrics
