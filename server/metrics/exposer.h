// Serves /metrics over HTTP.
#ifndef ACCLIMATE_SERVER_METRICS_EXPOSER_H_
#define ACCLIMATE_SERVER_METRICS_EXPOSER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/metrics/server_metrics.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace acclimate::metrics {

class MetricsEndpoint {
 public:
  // UNAVAILABLE names the address when it cannot be listened on. `metrics` outlives the endpoint.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& address,
                                                                const ServerMetrics& metrics);
  ~MetricsEndpoint();

  int port() const { return port_; }

 private:
  explicit MetricsEndpoint(std::unique_ptr<prometheus::Exposer> exposer);

  std::unique_ptr<prometheus::Exposer> exposer_;
  int port_ = 0;
};

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_EXPOSER_H_
