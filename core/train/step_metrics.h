// What steps report, left on the device and brought over many steps at a time.
#ifndef ACCLIMATE_CORE_TRAIN_STEP_METRICS_H_
#define ACCLIMATE_CORE_TRAIN_STEP_METRICS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace acclimate::train {

// The scalars of one step, in one tensor.
struct MetricRow {
  std::vector<std::string> names;
  at::Tensor values;  // double [names], on the device; undefined where there are none
};

MetricRow PackMetrics(const std::map<std::string, at::Tensor>& scalars);

// Not thread-safe.
class StepMetrics {
 public:
  struct Step {
    int64_t step;  // from 1
    std::map<std::string, double> values;
  };

  // row.values must not change any more. `known`: what needs no device.
  void Add(int64_t step, MetricRow row, std::map<std::string, double> known);
  size_t size() const { return rows_.size(); }
  // All steps since the last call, in one transfer, for which the host waits.
  std::vector<Step> Take();

 private:
  std::vector<MetricRow> rows_;
  std::vector<Step> steps_;  // with what was known; as rows_
};

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_STEP_METRICS_H_
