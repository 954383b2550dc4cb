#include "core/methods/source_free/test_time_task.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/methods/target_statistics.h"
#include "core/selection/predictions.h"

namespace acclimate::methods {
namespace {

constexpr char kGuard[] = "guard/";

// How many samples of the target the statistics of the end are taken from. A pass over all of them
// would take half as long as the steps of an epoch; the mean of 1024 is within 0.03 standard
// deviations of theirs two times of three.
int64_t StatisticsSamples(int64_t target_samples) {
  constexpr int64_t kLeast = 1024, kMost = 4096, kOneOf = 4;
  return std::clamp(target_samples / kOneOf, kLeast, kMost);
}

}  // namespace

TestTimeTask::TestTimeTask(const MethodContext& context,
                           std::vector<train::NamedParameter> parameters)
    : model_(context.model),
      statistics_sample_(selection::Sample(context.target, StatisticsSamples(context.target.size()),
                                           context.seed, /*labels=*/false)),
      device_(context.device),
      guard_(context.model.num_classes()) {
  const int64_t batch_size = context.settings.Integer("batch_size");
  SetOptimization(context.settings, plan_);
  plan_.steps_per_epoch = BatchesPerEpoch(context.target.size(), batch_size);
  plan_.total_steps = plan_.steps_per_epoch * context.settings.Integer("epochs");
  plan_.target_batch_size = batch_size;
  plan_.groups.push_back({std::move(parameters), 1.0});
  guard_.Protect(moving());
}

absl::StatusOr<train::StepOutput> TestTimeTask::Step(const train::StepInput& input,
                                                     train::StopSignal&) {
  if (guard_.halted()) {
    const at::NoGradGuard no_grad;
    train::StepOutput output;
    output.target_logits =
        Answer(model_.Forward(input.target.inputs, model::Mode::kBatchStatistics).logits);
    return output;
  }
  absl::StatusOr<train::StepOutput> output = Adapt(input);
  if (!output.ok()) return output;
  if (guard_.Observe(output->target_logits, input.step)) output->loss = at::Tensor();
  output->target_logits = Answer(output->target_logits);
  return output;
}

absl::Status TestTimeTask::Preview(const data::Dataset& target_sample, train::StopSignal& stop) {
  TakeFinalWeights();
  return RecomputeStatistics(model_, target_sample, device_, stop);
}

absl::Status TestTimeTask::Finish(train::StopSignal& stop) {
  TakeFinalWeights();
  // As the pass predicts that takes the statistics.
  PredictionTally tally(model_.num_classes());
  const absl::Status status =
      AdaptStatistics(model_, statistics_sample_, device_, /*alpha=*/1.0, stop,
                      [&tally](const at::Tensor&, const model::ForwardResult& outputs) {
                        tally.Add(outputs.logits);
                      });
  if (!status.ok() || guard_.halted() || !guard_.Judge(tally, plan_.total_steps)) return status;
  return Preview(statistics_sample_, stop);
}

train::TensorMap TestTimeTask::State() const {
  train::TensorMap state;
  for (const auto& [name, tensor] : guard_.State()) state[absl::StrCat(kGuard, name)] = tensor;
  return state;
}

absl::Status TestTimeTask::Restore(const train::TensorMap& state) {
  train::TensorMap guard;
  for (const auto& [name, tensor] : state) {
    if (absl::StartsWith(name, kGuard)) guard[name.substr(sizeof(kGuard) - 1)] = tensor;
  }
  return guard_.Restore(guard);
}

std::vector<train::NamedParameter> NormalizationParameters(const model::Model& model,
                                                           double left_out) {
  const std::vector<model::NormalizationLayer>& layers = model.normalization_layers();
  const size_t kept = layers.size() - static_cast<size_t>(left_out * layers.size());
  std::vector<train::NamedParameter> parameters;
  for (size_t i = 0; i < kept; ++i) {
    for (const model::Parameter& parameter : model.parameters()) {
      if (parameter.tensor.is_same(layers[i].weight) || parameter.tensor.is_same(layers[i].bias)) {
        parameters.push_back({parameter.name, parameter.tensor});
      }
    }
  }
  return parameters;
}

std::vector<HyperparameterSpec> TestTimeSettings(const OptimizationDefaults& defaults) {
  return Concatenated(OptimizationSettings(defaults),
                      {IntegerSetting("epochs", "Passes over the target data", 1, 1, 100000)});
}

OptimizationDefaults TestTimeDefaults() {
  OptimizationDefaults defaults;
  defaults.optimizer = "adam";
  defaults.learning_rate = 1e-3;
  defaults.weight_decay = 0.0;
  defaults.schedule = "constant";
  defaults.batch_size = 200;
  return defaults;
}

}  // namespace acclimate::methods
