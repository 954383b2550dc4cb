#include "core/data/concatenation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace acclimate::data {
namespace {

std::string Describe(const Dataset& dataset) {
  return absl::StrCat("\"", dataset.name(), "\" [", absl::StrJoin(dataset.sample_shape(), ", "),
                      "]");
}

bool IsBytes(const Dataset& dataset) { return dataset.stored_type() == at::kByte; }

absl::Status CheckAgreement(const std::vector<Dataset>& datasets) {
  if (datasets.empty()) return absl::InvalidArgumentError("no datasets to concatenate");
  for (const Dataset& dataset : datasets) {
    if (!dataset.has_labels()) {
      return absl::InvalidArgumentError(absl::StrCat(dataset.name(), ": has no labels"));
    }
    if (dataset.sample_shape() != datasets[0].sample_shape()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "samples differ in shape: ", Describe(datasets[0]), " and ", Describe(dataset)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Dataset> Concatenate(std::vector<Dataset> datasets) {
  if (absl::Status status = CheckAgreement(datasets); !status.ok()) return status;
  bool all_bytes = std::all_of(datasets.begin(), datasets.end(), IsBytes);
  std::vector<at::Tensor> inputs, labels;
  std::vector<std::string> names;
  for (const Dataset& dataset : datasets) {
    const at::Tensor stored = dataset.stored_inputs();
    inputs.push_back(IsBytes(dataset) && !all_bytes ? stored.to(at::kFloat).mul_(dataset.unit())
                                                    : stored);
    labels.push_back(dataset.labels());
    names.push_back(dataset.name());
  }
  const Dataset unlabelled = datasets[0].WithoutLabels();
  // One dataset stays mapped.
  if (datasets.size() == 1) return unlabelled.WithSamples(inputs[0], labels[0], names[0]);
  return unlabelled.WithSamples(at::cat(inputs), at::cat(labels), absl::StrJoin(names, " + "));
}

}  // namespace acclimate::data
