#include "core/job/training_anew.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/job/cost.h"
#include "core/job/failure.h"
#include "core/losses/cross_entropy.h"
#include "core/runtime/random.h"
#include "core/train/optimizer.h"

namespace acclimate::job {
namespace {

constexpr int64_t kBatch = 32;
// The first step, which also allocates, is not counted.
constexpr int kTimedSteps = 1;

std::unique_ptr<train::Optimizer> OptimizerOfAll(const model::Model& model) {
  train::ParameterGroup group;
  for (const model::Parameter& parameter : model.parameters()) {
    parameter.tensor.requires_grad_(true);
    group.parameters.push_back({parameter.name, parameter.tensor});
  }
  return train::MakeOptimizer({}, {std::move(group)});
}

// Core seconds of one step of training over the batch.
absl::StatusOr<double> TimeStep(model::Model& model, const data::Batch& batch,
                                train::StopSignal& stop) {
  const std::unique_ptr<train::Optimizer> optimizer = OptimizerOfAll(model);
  // Which labels does not matter for how long it takes.
  const at::Tensor labels =
      at::zeros({batch.inputs.size(0)}, batch.inputs.options().dtype(at::kLong));
  double core_seconds = 0;
  for (int step = 0; step <= kTimedSteps; ++step) {
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    const CostMeter meter;
    optimizer->ZeroGradients();
    losses::CrossEntropy(model.Forward(batch.inputs, model::Mode::kTraining).logits, labels)
        .backward();
    optimizer->Step();
    if (step > 0) core_seconds += meter.Read().core_seconds / kTimedSteps;
  }
  return core_seconds;
}

}  // namespace

int64_t SamplesSeenAnew(int64_t target_samples) {
  constexpr int64_t kEpochs = 5, kLeastSamples = 32000;
  return std::max(kEpochs * target_samples, kLeastSamples);
}

absl::StatusOr<TrainingAnew> EstimateTrainingAnew(const model::Model& model,
                                                  const data::Dataset& target,
                                                  const at::Device& device,
                                                  train::StopSignal& stop) {
  const std::unique_ptr<model::Model> copy = model.Clone();
  const data::Batch batch = target.Slice(0, std::min(kBatch, target.size()), device);
  const auto generators = runtime::GeneratorStates(device);
  absl::StatusOr<double> step;
  try {
    step = TimeStep(*copy, batch, stop);
  } catch (...) {
    step = StatusFromCurrentException();
  }
  absl::Status restored = runtime::RestoreGenerators(generators, device);
  if (!step.ok()) return step.status();
  if (!restored.ok()) return restored;
  TrainingAnew anew;
  anew.labels = target.size();
  anew.samples_seen = SamplesSeenAnew(target.size());
  anew.core_seconds =
      *step * static_cast<double>(anew.samples_seen) / static_cast<double>(batch.inputs.size(0));
  anew.changed_bytes = Bytes(copy->StateDict());
  return anew;
}

int64_t Bytes(const std::map<std::string, at::Tensor>& tensors) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    bytes += tensor.numel() * static_cast<int64_t>(tensor.element_size());
  }
  return bytes;
}

}  // namespace acclimate::job
