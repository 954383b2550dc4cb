// /metrics, in Prometheus's text format.
#ifndef ACCLIMATE_SERVER_METRICS_EXPOSITION_H_
#define ACCLIMATE_SERVER_METRICS_EXPOSITION_H_

#include "server/metrics/http_endpoint.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::metrics {

// `metrics` outlives the handler.
HttpHandler ServeMetrics(const ServerMetrics& metrics);

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_EXPOSITION_H_
