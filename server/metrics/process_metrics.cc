#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "server/base/process_stat.h"
#include "server/metrics/metric_list.h"

namespace acclimate::metrics {
namespace {

prometheus::MetricFamily OneValue(const char* name, double value) {
  prometheus::MetricFamily family = EmptyFamily(name);
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  (family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) =
      value;
  return family;
}

double BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  for (std::string key; file >> key;) {
    double value = 0;
    if (key == "btime" && file >> value) return value;
  }
  return 0;
}

double OpenDescriptors() {
  std::error_code error;
  double count = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    ++count;
  }
  return count - 1;  // the one that lists them
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  constexpr size_t kThreads = 20, kStartTicks = 22, kVirtualBytes = 23, kResidentPages = 24;
  const std::optional<ProcessStat> stat = ProcessStat::Read("self");
  if (!stat) return {};
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  return {
      OneValue("process_cpu_seconds_total", absl::ToDoubleSeconds(stat->processor_time())),
      OneValue("process_resident_memory_bytes",
               stat->Number(kResidentPages) * static_cast<double>(sysconf(_SC_PAGESIZE))),
      OneValue("process_virtual_memory_bytes", stat->Number(kVirtualBytes)),
      OneValue("process_threads", stat->Number(kThreads)),
      OneValue("process_open_fds", OpenDescriptors()),
      OneValue("process_max_fds", static_cast<double>(descriptors.rlim_cur)),
      OneValue("process_start_time_seconds",
               BootTimeSeconds() + stat->Number(kStartTicks) / TicksPerSecond()),
  };
}

}  // namespace acclimate::metrics
