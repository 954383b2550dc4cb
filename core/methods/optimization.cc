#include "core/methods/optimization.h"

#include <algorithm>

#include "absl/strings/string_view.h"

namespace acclimate::methods {
namespace {

train::Schedule ScheduleNamed(const std::string& name) {
  if (name == "inverse_decay") return train::Schedule::kInverseDecay;
  if (name == "step_decay") return train::Schedule::kStepDecay;
  return train::Schedule::kConstant;
}

train::OptimizerOptions::Kind OptimizerNamed(const std::string& name) {
  using Kind = train::OptimizerOptions::Kind;
  if (name == "adam") return Kind::kAdam;
  if (name == "lars") return Kind::kLars;
  return Kind::kSgd;
}

// "layer4.1.conv2.weight" -> "layer4.1.conv2".
absl::string_view LayerOf(absl::string_view parameter) {
  return parameter.substr(0, std::min(parameter.rfind('.'), parameter.size()));
}

}  // namespace

std::vector<HyperparameterSpec> OptimizationSettings(const OptimizationDefaults& defaults) {
  return {
      ChoiceSetting("optimizer", "SGD with Nesterov momentum, Adam, or LARS for very large batches",
                    defaults.optimizer, {"sgd", "adam", "lars"}),
      PositiveSetting("learning_rate", "Initial learning rate", defaults.learning_rate, 100.0),
      RealSetting("momentum", "Momentum of SGD and LARS; Adam has its own", 0.9, 0.0, 0.9999),
      RealSetting("weight_decay", "L2 penalty, added to the gradient", defaults.weight_decay, 0.0,
                  1.0),
      ChoiceSetting("schedule",
                    "Learning rate over time: inverse_decay (1 + 10 p)^-0.75 with progress p in "
                    "[0, 1], step_decay (1 + 0.001 step)^-0.75, or constant",
                    defaults.schedule, {"inverse_decay", "step_decay", "constant"}),
      IntegerSetting("batch_size", "Samples of each domain in a step", defaults.batch_size, 2,
                     65536),
  };
}

void SetOptimization(const Settings& settings, train::Plan& plan) {
  plan.optimizer.kind = OptimizerNamed(settings.Text("optimizer"));
  plan.optimizer.learning_rate = settings.Real("learning_rate");
  plan.optimizer.momentum = settings.Real("momentum");
  plan.optimizer.nesterov = plan.optimizer.momentum > 0.0;
  plan.optimizer.weight_decay = settings.Real("weight_decay");
  plan.schedule = ScheduleNamed(settings.Text("schedule"));
}

int64_t BatchesPerEpoch(int64_t samples, int64_t batch_size) {
  return std::max<int64_t>(1, samples / batch_size);
}

HyperparameterSpec StepsSetting() {
  return IntegerSetting("steps",
                        "Training steps; 0: six passes over the largest domain, 2000 to 20000", 0,
                        0, 100000000);
}

int64_t PlannedSteps(const Settings& settings, const std::vector<data::Dataset>& sources,
                     const data::Dataset& target) {
  constexpr int64_t kPasses = 6, kLeast = 2000, kMost = 20000;
  if (const int64_t steps = settings.Integer("steps"); steps > 0) return steps;
  int64_t samples = target.size();
  for (const data::Dataset& source : sources) samples = std::max(samples, source.size());
  return std::clamp(kPasses * BatchesPerEpoch(samples, settings.Integer("batch_size")), kLeast,
                    kMost);
}

ParametersByDepth SplitByDepth(const model::Model& model) {
  const std::vector<model::Parameter>& parameters = model.parameters();
  size_t last_block = 0;  // where it begins
  for (size_t i = 0; i < parameters.size(); ++i) {
    const model::Parameter& parameter = parameters[i];
    const bool weights = !parameter.head && !parameter.batch_norm && parameter.tensor.dim() >= 2;
    if (weights && LayerOf(parameter.name) != LayerOf(parameters[last_block].name)) last_block = i;
  }
  ParametersByDepth split;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const model::Parameter& parameter = parameters[i];
    auto& group = parameter.head ? split.head : i < last_block ? split.backbone : split.last_block;
    group.push_back({parameter.name, parameter.tensor});
  }
  return split;
}

}  // namespace acclimate::methods
