// What every handler does around its own work: time it, count it, translate its status.
#ifndef ACCLIMATE_SERVER_API_RPC_H_
#define ACCLIMATE_SERVER_API_RPC_H_

#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "grpcpp/support/status.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::api {

// The status, counted under the call's name ("acclimate.v1.JobService/GetJob").
grpc::Status EndCall(metrics::ServerMetrics& metrics, absl::string_view call, absl::Time start,
                     const absl::Status& status);

absl::Status ExceptionToStatus(const std::exception& exception);

// Runs the body of a handler: a callable that returns absl::Status.
template <typename Body>
grpc::Status RunCall(metrics::ServerMetrics& metrics, absl::string_view call, const Body& body) {
  const absl::Time start = absl::Now();
  absl::Status status;
  try {
    status = body();
  } catch (const std::exception& exception) {
    status = ExceptionToStatus(exception);
  }
  return EndCall(metrics, call, start, status);
}

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_RPC_H_
