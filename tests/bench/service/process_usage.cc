#include "tests/bench/service/process_usage.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/process_stat.h"
#include "tests/bench/service/report.h"

namespace acclimate::bench {

ProcessUsage UsageOf(pid_t pid) {
  const std::optional<ProcessStat> stat = ProcessStat::Read(absl::StrCat(pid));
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  ProcessUsage usage;
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) usage.resident_mebibytes = std::atof(line.c_str() + 6) / 1024;
    if (line.rfind("Threads:", 0) == 0) usage.threads = std::atoi(line.c_str() + 8);
  }
  if (!stat.has_value() || usage.threads == 0) Die(absl::StrCat("process ", pid, " has gone"));
  usage.processor_time = stat->processor_time();
  return usage;
}

}  // namespace acclimate::bench
