// The standard process_* metrics, read from /proc at every scrape.
#ifndef ACCLIMATE_SERVER_METRICS_PROCESS_METRICS_H_
#define ACCLIMATE_SERVER_METRICS_PROCESS_METRICS_H_

#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace acclimate::metrics {

class ProcessMetrics : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_PROCESS_METRICS_H_
