// NVIDIA's management library, libnvidia-ml.so.1: part of the driver, so that it is opened at run
// time and need not be there.
#ifndef ACCLIMATE_SERVER_METRICS_NVML_H_
#define ACCLIMATE_SERVER_METRICS_NVML_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace acclimate::metrics {

// One GPU. A value that this GPU does not have is left out.
struct GpuReading {
  int index = 0;      // as nvidia-smi counts
  std::string name;   // "NVIDIA H100 80GB HBM3"; empty: it has not answered yet
  std::string error;  // why it does not answer; empty: it does, and the values are valid
  std::optional<double> utilization_ratio, memory_used_bytes, memory_total_bytes,
      temperature_celsius, power_watts;
};

// Every call may take as long as the driver takes, which is for ever with some broken GPUs.
// Not thread-safe.
class Nvml {
 public:
  // NOT_FOUND: there is no such library. UNIMPLEMENTED: it lacks a function.
  static absl::StatusOr<std::unique_ptr<Nvml>> Open(const std::string& path);
  ~Nvml();  // the library stays open: a thread of the driver may run in it

  // All GPUs that this process may use. UNAVAILABLE: the driver does not run.
  absl::StatusOr<std::vector<GpuReading>> Read();

 private:
  struct Functions;
  explicit Nvml(std::unique_ptr<Functions> functions);
  std::optional<GpuReading> ReadOne(unsigned index);

  const std::unique_ptr<Functions> functions_;
  bool initialized_ = false;
  std::map<unsigned, std::string> names_;  // a lost GPU keeps its name
};

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_NVML_H_
