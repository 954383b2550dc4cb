// The hyperparameters that gradient methods share, and the parameter groups they move.
#ifndef ACCLIMATE_CORE_METHODS_OPTIMIZATION_H_
#define ACCLIMATE_CORE_METHODS_OPTIMIZATION_H_

#include <string>
#include <vector>

#include "core/data/dataset.h"
#include "core/methods/method_spec.h"
#include "core/methods/settings.h"
#include "core/model/model.h"
#include "core/train/task.h"

namespace acclimate::methods {

struct OptimizationDefaults {
  std::string optimizer = "sgd";  // sgd, adam, lars
  double learning_rate = 0.01;
  double weight_decay = 1e-3;
  std::string schedule = "inverse_decay";  // inverse_decay, step_decay, constant
  int64_t batch_size = 64;
};

// optimizer, learning_rate, momentum, weight_decay, schedule, batch_size.
std::vector<HyperparameterSpec> OptimizationSettings(const OptimizationDefaults& defaults);

// optimizer and schedule of a plan, from those settings.
void SetOptimization(const Settings& settings, train::Plan& plan);

// Batches of `batch_size` in one pass over `samples`, as Sampler draws them; at least 1.
int64_t BatchesPerEpoch(int64_t samples, int64_t batch_size);

// The setting of methods that train on the source's labels and the target's samples side by side.
HyperparameterSpec StepsSetting();
// What it says or, for 0, six passes over the largest of these domains: 2000 to 20000.
int64_t PlannedSteps(const Settings& settings, const std::vector<data::Dataset>& sources,
                     const data::Dataset& target);

// Parameters by depth, in forward order, without the head: the last layer with weights before the
// head and the batch norm behind it are the last block (the bottleneck of SHOT and TLlib where a
// model has one); everything before it is the backbone.
struct ParametersByDepth {
  std::vector<train::NamedParameter> backbone, last_block, head;
};
ParametersByDepth SplitByDepth(const model::Model& model);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_OPTIMIZATION_H_
