// One method of a race, on a model of its own.
#ifndef ACCLIMATE_CORE_METHODS_RACE_RACER_H_
#define ACCLIMATE_CORE_METHODS_RACE_RACER_H_

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/methods/method.h"
#include "core/selection/examiner.h"
#include "core/train/trainer.h"

namespace acclimate::methods {

struct Racer {
  std::string name;
  std::unique_ptr<model::Model> model;
  std::unique_ptr<train::Task> task;
  std::unique_ptr<train::Trainer> trainer;

  int64_t samples_per_step() const {
    return task->plan().source_batch_size + task->plan().target_batch_size;
  }
};

// The defaults, with `share` of the length that a plan has for these domains, or of `most_steps`
// where it has more.
Hyperparameters ShareOfPlan(const MethodSpec& spec, const std::vector<data::Dataset>& sources,
                            const data::Dataset& target, double share,
                            int64_t most_steps = std::numeric_limits<int64_t>::max());

// Why `entry` cannot race over the context's model and data; empty when it can. source_free: it may
// not train on source data.
std::string ObstacleTo(const MethodEntry& entry, const MethodContext& context, bool source_free);

// With the method's defaults, its length at most 800 steps (600 of vectors, whose networks are
// small), times the context's `budget`. Context and inputs outlive it. INVALID_ARGUMENT: what only
// the method can see to be wrong.
absl::StatusOr<Racer> MakeRacer(const MethodEntry& entry, const MethodContext& context,
                                const ExtraInputs& inputs);

// `task` trains `model`.
Racer RacerOf(std::string name, std::unique_ptr<model::Model> model,
              std::unique_ptr<train::Task> task, const MethodContext& context);

// The racer's model as it would be if its run ended now, which goes on afterwards as if nobody had
// looked.
absl::StatusOr<selection::Candidate> Look(Racer& racer, const MethodContext& context,
                                          const selection::Examiner& examiner,
                                          train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_RACE_RACER_H_
