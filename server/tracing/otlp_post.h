// Sends bytes to an OTLP/HTTP collector, through libcurl.
#ifndef ACCLIMATE_SERVER_TRACING_OTLP_POST_H_
#define ACCLIMATE_SERVER_TRACING_OTLP_POST_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace acclimate::tracing {

struct OtlpEndpoint {
  std::string url;                   // "http://collector:4318/v1/traces"
  std::vector<std::string> headers;  // "authorization: Bearer ..."
};

// `base` is "http://collector:4318"; spans go to its /v1/traces. `headers_file` has a line
// "name: value" for each header, and may be empty for none. INVALID_ARGUMENT says which line or
// file is at fault, never what a header's value is.
absl::StatusOr<OtlpEndpoint> MakeOtlpEndpoint(const std::string& base,
                                              const std::string& headers_file);

// One POST of JSON, which takes at most `limit`. UNAVAILABLE: it may succeed later (nobody answers,
// or with 429, 502, 503, 504). FAILED_PRECONDITION: the collector refuses it, with which status and
// words.
absl::Status Post(const OtlpEndpoint& endpoint, const std::string& json, absl::Duration limit);

}  // namespace acclimate::tracing

#endif  // ACCLIMATE_SERVER_TRACING_OTLP_POST_H_
