#include "core/train/step_metrics.h"

#include <ATen/ATen.h>

#include <utility>

namespace acclimate::train {

MetricRow PackMetrics(const std::map<std::string, at::Tensor>& scalars) {
  MetricRow row;
  std::vector<at::Tensor> values;
  for (const auto& [name, scalar] : scalars) {
    row.names.push_back(name);
    values.push_back(scalar.detach().to(at::kDouble));
  }
  if (!values.empty()) row.values = at::stack(values);
  return row;
}

void StepMetrics::Add(int64_t step, MetricRow row, std::map<std::string, double> known) {
  rows_.push_back(std::move(row));
  steps_.push_back({step, std::move(known)});
}

std::vector<StepMetrics::Step> StepMetrics::Take() {
  std::vector<at::Tensor> values;
  for (const MetricRow& row : rows_) {
    if (row.values.defined()) values.push_back(row.values);
  }
  if (!values.empty()) {
    const at::Tensor all = at::cat(values).to(at::kCPU);
    const double* value = all.data_ptr<double>();
    for (size_t i = 0; i < rows_.size(); ++i) {
      for (const std::string& name : rows_[i].names) steps_[i].values[name] = *value++;
    }
  }
  rows_.clear();
  return std::exchange(steps_, {});
}

}  // namespace acclimate::train
