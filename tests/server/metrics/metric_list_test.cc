#include "server/metrics/metric_list.h"

#include <set>

#include "gtest/gtest.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::metrics {
namespace {

TEST(MetricListTest, EveryMetricIsThereOnceAndExplained) {
  std::set<std::string> names;
  for (const MetricDescription& metric : MetricList()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_NE(metric.help, "") << metric.name;
    EXPECT_EQ(&MetricNamed(metric.name), &metric);
  }
}

TEST(MetricListDeathTest, AMetricOutsideOfTheListEndsTheProgram) {
  ServerMetrics metrics;
  EXPECT_DEATH(MetricNamed("acclimate_nothing"), "acclimate_nothing");
}

}  // namespace
}  // namespace acclimate::metrics
