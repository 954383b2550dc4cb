// The head of an HTTP/1 request, as text and as what handlers are given.
#ifndef ACCLIMATE_SERVER_METRICS_HTTP_REQUEST_H_
#define ACCLIMATE_SERVER_METRICS_HTTP_REQUEST_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace acclimate::metrics {

struct HttpRequest {
  std::string path;           // "/ui/curve.json", decoded
  std::string query;          // behind the "?", as it came
  std::string authorization;  // the header of that name; empty: none
  std::string host;           // the header of that name
  std::string peer;           // "ipv4:10.0.0.7:51234", as gRPC writes it
  std::string method = "GET";

  // A parameter of the query, decoded; empty where there is none.
  std::string Parameter(const std::string& name) const;
};

// `head` is everything before the empty line. Nullopt: it is no request of HTTP/1 for a path of
// this server. `peer` is left empty. A path is taken as it stands: "/a/../b" is not "/b".
absl::optional<HttpRequest> ParseRequestHead(absl::string_view head);

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_HTTP_REQUEST_H_
