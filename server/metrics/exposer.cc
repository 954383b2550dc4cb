#include "server/metrics/exposer.h"

#include <exception>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "prometheus/exposer.h"

namespace acclimate::metrics {

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& address, const ServerMetrics& metrics) {
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(address, /*num_threads=*/2);
    for (const auto& collectable : metrics.Collectables()) {
      exposer->RegisterCollectable(collectable);
    }
    return absl::WrapUnique(new MetricsEndpoint(std::move(exposer)));
  } catch (const std::exception&) {  // civetweb says no more than that it failed
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address,
                     " for metrics: the port is in use, or the address is not this machine's"));
  }
}

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<prometheus::Exposer> exposer)
    : exposer_(std::move(exposer)) {
  const auto ports = exposer_->GetListeningPorts();
  if (!ports.empty()) port_ = ports.front();
}

MetricsEndpoint::~MetricsEndpoint() = default;

}  // namespace acclimate::metrics
