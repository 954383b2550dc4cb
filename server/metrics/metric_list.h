// Every metric of the server: its name, type, labels and help. A metric of ours that is not in the
// list cannot be registered; docs/reference.md is made from it. Base units; no identifiers in
// labels.
#ifndef ACCLIMATE_SERVER_METRICS_METRIC_LIST_H_
#define ACCLIMATE_SERVER_METRICS_METRIC_LIST_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "prometheus/metric_family.h"
#include "prometheus/metric_type.h"

namespace acclimate::metrics {

struct MetricDescription {
  std::string name;
  prometheus::MetricType type;
  std::vector<std::string> labels;
  std::string help;
};

const std::vector<MetricDescription>& MetricList();

// Ends the program when the list does not have the name.
const MetricDescription& MetricNamed(absl::string_view name);

// A family with name, type and help, without any value.
prometheus::MetricFamily EmptyFamily(absl::string_view name);

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_METRIC_LIST_H_
