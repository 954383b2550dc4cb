// One domain as a model sees it: a bounded sample of it, once through the network.
#ifndef ACCLIMATE_CORE_SHIFT_DOMAIN_SAMPLE_H_
#define ACCLIMATE_CORE_SHIFT_DOMAIN_SAMPLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/shift/representation.h"
#include "core/train/stop_signal.h"

namespace acclimate::shift {

// All on the CPU. The rows of all tensors belong together.
struct DomainSample {
  std::vector<at::Tensor> levels;  // float32 [N, <= 256] each
  at::Tensor features;             // float32 [N, D], whole
  at::Tensor logits;               // float32 [N, C]
  at::Tensor labels;               // int64 [N]; undefined where the domain has none

  int64_t size() const { return logits.size(0); }
};

// The places at which domains are compared: the inputs, at most `most` levels of the model spread
// evenly up to the features, and the logits.
struct Places {
  std::vector<size_t> model_levels;
  std::vector<std::string> names;  // "inputs", those of the levels, "features", "logits"

  size_t inputs() const { return 0; }
  size_t features() const { return names.size() - 2; }
  size_t logits() const { return names.size() - 1; }
};
Places ChoosePlaces(const model::Model& model, size_t most);

// At most `most` of `size` samples, in rising order: int64 on the CPU.
at::Tensor RandomRows(int64_t size, int64_t most, at::Generator generator);

// The rows `index` of the dataset in evaluation mode, one forward pass a batch. CANCELLED as soon
// as `stop` says so.
absl::StatusOr<DomainSample> SampleDomain(model::Model& model, const data::Dataset& dataset,
                                          const at::Tensor& index, const Places& places,
                                          Reducer& reducer, const at::Device& device,
                                          train::StopSignal& stop);

// One after the other; labels where all have them.
DomainSample Concatenated(const std::vector<DomainSample>& samples);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_DOMAIN_SAMPLE_H_
