#include "core/methods/selection.h"

#include <utility>

#include "core/methods/target_statistics.h"
#include "core/selection/selecting_task.h"

namespace acclimate::methods {

void AddSelection(MethodSpec& spec) {
  if (!spec.selects_weights) return;
  spec.holds_out_source = true;
  spec.hyperparameters = Concatenated(
      std::move(spec.hyperparameters),
      {ChoiceSetting("selection",
                     "Which weights of the run are returned: those that an ensemble of label-free "
                     "validators prefers, or the last ones",
                     "ensemble", {"ensemble", "last"}),
       ChoiceSetting("guard",
                     "on: the source model is returned, and the run says so, where the adapted one "
                     "does not hold against it by the validators and the estimated accuracy",
                     "on", {"on", "off"})});
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeSelectedTask(const MethodEntry& entry,
                                                              const MethodContext& context) {
  absl::StatusOr<std::unique_ptr<train::Task>> task = entry.make_task(context);
  if (!task.ok() || !entry.spec.selects_weights || context.target.size() < kLeastTargetSamples) {
    return task;
  }
  auto examiner = std::make_shared<const selection::Examiner>(context.target, context.held_out,
                                                              context.device, context.seed);
  selection::SelectionOptions options;
  options.ensemble = context.settings.Text("selection") == "ensemble";
  options.guard = context.settings.Text("guard") == "on";
  if (options.ensemble) {
    options.moments = selection::Moments((*task)->plan(), context.model, *examiner);
  }
  return std::make_unique<selection::SelectingTask>(
      *std::move(task),
      selection::SelectionSetting{context.model, context.target, context.device,
                                  std::move(examiner), &RecomputeStatistics},
      std::move(options));
}

}  // namespace acclimate::methods
