#include "core/selection/predictions.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <tuple>

#include "core/train/pass.h"

namespace acclimate::selection {

absl::StatusOr<Predictions> Predict(model::Model& model, const data::Dataset& dataset,
                                    const at::Device& device, train::StopSignal& stop) {
  std::vector<at::Tensor> features, logits;
  const absl::Status status =
      train::ForEachBatch(dataset, device, stop, [&](int64_t, const data::Batch& batch) {
        const model::ForwardResult result = model.Forward(batch.inputs, model::Mode::kEvaluation);
        features.push_back(result.features.to(at::kCPU, at::kFloat));
        logits.push_back(result.logits.to(at::kCPU, at::kFloat));
      });
  if (!status.ok()) return status;
  return Predictions{at::cat(features), at::cat(logits), dataset.labels()};
}

absl::StatusOr<at::Tensor> PredictProbabilities(model::Model& model, const data::Dataset& dataset,
                                                const at::Device& device, train::StopSignal& stop) {
  std::vector<at::Tensor> probabilities;
  const absl::Status status =
      train::ForEachBatch(dataset, device, stop, [&](int64_t, const data::Batch& batch) {
        const at::Tensor logits = model.Forward(batch.inputs, model::Mode::kEvaluation).logits;
        probabilities.push_back(logits.to(at::kFloat).softmax(1).to(at::kCPU));
      });
  if (!status.ok()) return status;
  return at::cat(probabilities);
}

at::Tensor SampleRows(int64_t samples, int64_t count, uint64_t seed) {
  const at::Tensor order =
      at::randperm(samples, at::detail::createCPUGenerator(seed), at::TensorOptions(at::kLong));
  return std::get<0>(order.slice(0, 0, std::min(count, samples)).sort());
}

data::Dataset Sample(const data::Dataset& dataset, int64_t count, uint64_t seed, bool labels) {
  return dataset.Subset(SampleRows(dataset.size(), count, seed), labels);
}

std::vector<data::Dataset> SampleEach(const std::vector<data::Dataset>& datasets, int64_t count,
                                      uint64_t seed) {
  std::vector<data::Dataset> samples;
  for (const data::Dataset& dataset : datasets) {
    samples.push_back(
        Sample(dataset, count / static_cast<int64_t>(datasets.size()), seed, /*labels=*/true));
  }
  return samples;
}

}  // namespace acclimate::selection
