// Requests whose bytes are no message of their type.
#ifndef ACCLIMATE_SERVER_API_UNREADABLE_REQUESTS_H_
#define ACCLIMATE_SERVER_API_UNREADABLE_REQUESTS_H_

#include <memory>

#include "grpcpp/support/server_interceptor.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::api {

// gRPC answers them itself, before any handler, with INTERNAL or UNIMPLEMENTED. With this
// interceptor a call with one request is answered INVALID_ARGUMENT, and counted as other calls are.
// `metrics` outlives the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> RefuseUnreadableRequests(
    metrics::ServerMetrics& metrics);

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_UNREADABLE_REQUESTS_H_
