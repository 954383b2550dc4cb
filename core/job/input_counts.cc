#include "core/job/input_counts.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace acclimate::job {
namespace {

int64_t TotalSize(const std::vector<data::Dataset>& datasets) {
  int64_t total = 0;
  for (const data::Dataset& dataset : datasets) total += dataset.size();
  return total;
}

}  // namespace

std::map<std::string, int64_t> SampleCounts(const Inputs& inputs) {
  std::map<std::string, int64_t> counts = {{"target", inputs.target->size()}};
  if (!inputs.sources.empty()) counts["source"] = TotalSize(inputs.sources);
  if (!inputs.held_out.empty()) counts["held_out"] = TotalSize(inputs.held_out);
  if (inputs.evaluation) counts["evaluation"] = inputs.evaluation->size();
  return counts;
}

int64_t LabelsOfTarget(const Inputs& inputs) {
  const methods::MethodSpec& spec = inputs.method->spec;
  int64_t labels = spec.target_labels == methods::DataNeed::kRequired ? inputs.target->size() : 0;
  if (inputs.guard_labels) labels += inputs.guard_labels->labels.numel();
  for (const methods::InputSpec& input : spec.inputs) {
    if (input.kind != methods::InputSpec::Kind::kLabelledDataset) continue;
    const auto given = inputs.extra.datasets.find(input.name);
    if (given != inputs.extra.datasets.end()) labels += given->second.size();
  }
  return labels;
}

std::vector<double> LabelShares(const std::vector<data::Dataset>& sources) {
  std::vector<double> shares;
  int64_t classes = 0;
  for (const data::Dataset& source : sources) classes = std::max(classes, source.num_classes());
  at::Tensor counts = at::zeros({classes}, at::kLong);
  for (const data::Dataset& source : sources) counts += source.labels().bincount({}, classes);
  const double total = static_cast<double>(TotalSize(sources));
  for (int64_t i = 0; i < classes; ++i) {
    shares.push_back(static_cast<double>(counts[i].item<int64_t>()) / total);
  }
  return shares;
}

}  // namespace acclimate::job
