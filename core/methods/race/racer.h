// One method of a race, on a model of its own.
#ifndef ACCLIMATE_CORE_METHODS_RACE_RACER_H_
#define ACCLIMATE_CORE_METHODS_RACE_RACER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/methods/method.h"
#include "core/selection/examiner.h"
#include "core/selection/selecting_task.h"
#include "core/train/trainer.h"

namespace acclimate::methods {

struct Racer {
  std::string name;
  bool trains_on_source = false;
  std::unique_ptr<model::Model> model;
  std::unique_ptr<selection::SelectingTask> task;
  std::unique_ptr<train::Trainer> trainer;
};

// The defaults, with `share` of the length that a plan has for these domains.
Hyperparameters ShareOfPlan(const MethodSpec& spec, const std::vector<data::Dataset>& sources,
                            const data::Dataset& target, double share);

// Why `entry` cannot race over the context's model and data; empty when it can. source_free: it may
// not train on source data.
std::string ObstacleTo(const MethodEntry& entry, const MethodContext& context, bool source_free);

// With the method's defaults, its length times the context's `budget`, looked at after every eighth
// of its plan. Context, inputs and examiner outlive it; source_forms is shared by all racers.
// INVALID_ARGUMENT: what only the method can see to be wrong.
absl::StatusOr<Racer> MakeRacer(const MethodEntry& entry, const MethodContext& context,
                                const ExtraInputs& inputs,
                                std::shared_ptr<const selection::Examiner> examiner,
                                std::shared_ptr<std::vector<selection::Candidate>> source_forms);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_RACE_RACER_H_
