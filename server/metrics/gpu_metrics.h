// The GPUs of this machine, read through NVML at every scrape.
#ifndef ACCLIMATE_SERVER_METRICS_GPU_METRICS_H_
#define ACCLIMATE_SERVER_METRICS_GPU_METRICS_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace acclimate::metrics {

// 1. The driver is asked on a thread of its own. A scrape waits for its answer for `patience`, in
// all
//    and not once more for the same question: a driver that hangs holds up one scrape that long,
//    and later ones not at all.
// 2. A GPU that answers with an error, or whose driver does not answer in time, has
// acclimate_gpu_up
//    0 and no other values. The others are not touched by it, as far as the driver keeps them
//    apart.
// 3. A driver that crashes takes the process with it: it runs inside.
// Thread-safe.
class GpuMetrics : public prometheus::Collectable {
 public:
  // Null, and a line in the log at level debug, where there is no such library.
  static std::shared_ptr<GpuMetrics> Open(const std::string& library = "libnvidia-ml.so.1",
                                          absl::Duration patience = absl::Seconds(1));
  // Leaves the thread behind if the driver holds it.
  ~GpuMetrics() override;

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  class Reader;
  explicit GpuMetrics(std::shared_ptr<Reader> reader);

  const std::shared_ptr<Reader> reader_;
  std::thread thread_;
};

}  // namespace acclimate::metrics

#endif  // ACCLIMATE_SERVER_METRICS_GPU_METRICS_H_
