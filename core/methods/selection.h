// How a method's weights are chosen: the hyperparameters that every spec with selects_weights
// shares, and the task that follows them.
#ifndef ACCLIMATE_CORE_METHODS_SELECTION_H_
#define ACCLIMATE_CORE_METHODS_SELECTION_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/methods/method.h"
#include "core/selection/examiner.h"
#include "core/selection/selecting_task.h"
#include "core/train/task.h"

namespace acclimate::methods {

// Adds `selection` and `guard` to a spec with selects_weights, and has it hold out source data.
void AddSelection(MethodSpec& spec);
HyperparameterSpec GuardSetting();
constexpr char kGuardSetting[] = "guard";  // the name of that setting

// Below so many samples validators say nothing: with the guard the source model is returned,
// without it the last weights.
constexpr int64_t kLeastTargetSamples = 16;

// Whether MakeSelectedTask() makes a SelectingTask.
bool SelectsWeights(const MethodEntry& entry, const data::Dataset& target);

// entry.make_task(context), inside a SelectingTask where the spec selects weights, which then fills
// `sights`. Of too few target samples, with the guard on, a task that leaves the model as it came.
absl::StatusOr<std::unique_ptr<train::Task>> MakeSelectedTask(
    const MethodEntry& entry, const MethodContext& context,
    std::shared_ptr<selection::Sights> sights = nullptr);

// `task`, over the context's model, with its weights chosen; the context outlives it. Fills
// `sights` where given. ask_witnesses: null asks nobody.
std::unique_ptr<selection::SelectingTask> MakeSelectingTask(
    std::unique_ptr<train::Task> task, const MethodContext& context,
    std::shared_ptr<const selection::Examiner> examiner, selection::SelectionOptions options,
    selection::AskWitnesses ask_witnesses, std::shared_ptr<selection::Sights> sights = nullptr);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SELECTION_H_
