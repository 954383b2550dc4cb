#include "server/api/description.h"

#include "absl/strings/strip.h"
#include "acclimate/v1/error_reason.pb.h"
#include "acclimate/v1/explanation.pb.h"
#include "acclimate/v1/job.pb.h"
#include "nlohmann/json.hpp"
#include "server/metrics/metric_list.h"

namespace acclimate::api {
namespace {

using nlohmann::json;

const char* TypeName(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Gauge:
      return "gauge";
    case prometheus::MetricType::Histogram:
      return "histogram";
    case prometheus::MetricType::Summary:
      return "summary";
    default:
      return "untyped";
  }
}

json Metrics() {
  json list = json::array();
  for (const metrics::MetricDescription& metric : metrics::MetricList()) {
    list.push_back({{"name", metric.name},
                    {"type", TypeName(metric.type)},
                    {"labels", metric.labels},
                    {"help", metric.help}});
  }
  return list;
}

// All values but the first, which is "unspecified". A name is given without the prefix.
json Explanations(const google::protobuf::EnumDescriptor& values, absl::string_view prefix) {
  json list = json::array();
  for (int i = 1; i < values.value_count(); ++i) {
    const v1::Explanation& explanation = values.value(i)->options().GetExtension(v1::explanation);
    list.push_back(
        {{"name", std::string(absl::StripPrefix(values.value(i)->name(), prefix))},
         {"code", explanation.code() == google::rpc::OK ? "" : Code_Name(explanation.code())},
         {"meaning", explanation.meaning()},
         {"action", explanation.action()}});
  }
  return list;
}

}  // namespace

std::string DescribeServer() {
  return json{{"metrics", Metrics()},
              {"error_reasons", Explanations(*v1::ErrorReason_descriptor(), "")},
              {"attempt_causes", Explanations(*v1::AttemptCause_descriptor(), "ATTEMPT_CAUSE_")}}
      .dump(2);
}

}  // namespace acclimate::api
