#include "core/job/cost.h"

#include <sys/resource.h>

namespace acclimate::job {
namespace {

rusage Usage() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

double CoreSeconds(const rusage& usage) {
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

}  // namespace

CostMeter::CostMeter() : core_seconds_at_start_(CoreSeconds(Usage())) {}

Cost CostMeter::Read() const {
  constexpr int64_t kKibibyte = 1024;  // the unit of ru_maxrss on Linux
  const rusage usage = Usage();
  return {CoreSeconds(usage) - core_seconds_at_start_, usage.ru_maxrss * kKibibyte};
}

}  // namespace acclimate::job
