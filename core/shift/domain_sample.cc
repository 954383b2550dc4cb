#include "core/shift/domain_sample.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "core/train/pass.h"

namespace acclimate::shift {
namespace {

// [place][batch] of tensors.
using Pieces = std::vector<std::vector<at::Tensor>>;

at::Tensor OnCpu(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kFloat); }

}  // namespace

Places ChoosePlaces(const model::Model& model, size_t most) {
  const size_t count = model.levels().size();
  const size_t chosen = std::min(count, most);
  Places places;
  places.names.push_back("inputs");
  for (size_t i = 1; i <= chosen; ++i) {
    const size_t level = i * count / chosen - 1;
    places.model_levels.push_back(level);
    places.names.push_back(level + 1 == count ? "features" : model.levels()[level].name);
  }
  places.names.push_back("logits");
  return places;
}

at::Tensor RandomRows(int64_t size, int64_t most, at::Generator generator) {
  if (size <= most) return at::arange(size, at::kLong);
  const at::Tensor order = at::randperm(size, generator, at::TensorOptions(at::kLong));
  return std::get<0>(order.narrow(0, 0, most).sort());
}

absl::StatusOr<DomainSample> SampleDomain(model::Model& model, const data::Dataset& dataset,
                                          const at::Tensor& index, const Places& places,
                                          Reducer& reducer, const at::Device& device,
                                          train::StopSignal& stop) {
  const at::NoGradGuard no_grad;
  const int64_t batch_size = train::PassBatchSize(dataset.sample_shape());
  Pieces levels(places.names.size());
  std::vector<at::Tensor> features, logits, labels;
  for (const at::Tensor& rows : index.split(batch_size)) {
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    const data::Batch batch = dataset.Gather(rows, device);
    const model::LevelsResult result =
        model.ForwardThrough(places.model_levels, batch.inputs, model::Mode::kEvaluation);
    levels[places.inputs()].push_back(reducer.Reduce(places.inputs(), batch.inputs));
    for (size_t i = 0; i < result.levels.size(); ++i) {
      levels[1 + i].push_back(reducer.Reduce(1 + i, result.levels[i]));
    }
    levels[places.logits()].push_back(reducer.Reduce(places.logits(), result.output.logits));
    features.push_back(OnCpu(result.output.features));
    logits.push_back(OnCpu(result.output.logits));
    if (batch.labels.defined()) labels.push_back(batch.labels.to(at::kCPU));
  }
  DomainSample sample;
  for (const std::vector<at::Tensor>& pieces : levels) sample.levels.push_back(at::cat(pieces));
  sample.features = at::cat(features);
  sample.logits = at::cat(logits);
  if (!labels.empty()) sample.labels = at::cat(labels);
  return sample;
}

DomainSample Concatenated(const std::vector<DomainSample>& samples) {
  const auto joined = [&samples](const auto& tensor_of) {
    std::vector<at::Tensor> tensors;
    for (const DomainSample& sample : samples) tensors.push_back(tensor_of(sample));
    return at::cat(tensors);
  };
  DomainSample all;
  for (size_t i = 0; i < samples.front().levels.size(); ++i) {
    all.levels.push_back(joined([i](const DomainSample& sample) { return sample.levels[i]; }));
  }
  all.features = joined([](const DomainSample& sample) { return sample.features; });
  all.logits = joined([](const DomainSample& sample) { return sample.logits; });
  const bool labelled = std::all_of(samples.begin(), samples.end(), [](const DomainSample& sample) {
    return sample.labels.defined();
  });
  if (labelled) all.labels = joined([](const DomainSample& sample) { return sample.labels; });
  return all;
}

}  // namespace acclimate::shift
