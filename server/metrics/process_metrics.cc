#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

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

// Fields of /proc/self/stat from the third on, as proc(5) numbers them: the second may hold spaces.
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream rest(text.substr(text.rfind(')') + 1));
  std::vector<std::string> fields = {"", "", ""};
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
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
  constexpr size_t kUserTicks = 14, kSystemTicks = 15, kThreads = 20, kStartTicks = 22,
                   kVirtualBytes = 23, kResidentPages = 24;
  const std::vector<std::string> fields = StatFields();
  if (fields.size() <= kResidentPages) return {};
  const auto field = [&fields](size_t index) { return std::stod(fields[index]); };
  const double ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  return {
      OneValue("process_cpu_seconds_total",
               (field(kUserTicks) + field(kSystemTicks)) / ticks_per_second),
      OneValue("process_resident_memory_bytes",
               field(kResidentPages) * static_cast<double>(sysconf(_SC_PAGESIZE))),
      OneValue("process_virtual_memory_bytes", field(kVirtualBytes)),
      OneValue("process_threads", field(kThreads)),
      OneValue("process_open_fds", OpenDescriptors()),
      OneValue("process_max_fds", static_cast<double>(descriptors.rlim_cur)),
      OneValue("process_start_time_seconds",
               BootTimeSeconds() + field(kStartTicks) / ticks_per_second),
  };
}

}  // namespace acclimate::metrics
