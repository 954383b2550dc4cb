#include "core/methods/selection.h"

#include <cstdint>
#include <utility>

#include "core/methods/few_samples.h"
#include "core/methods/target_statistics.h"
#include "core/methods/teaching/classical_witness.h"

namespace acclimate::methods {

HyperparameterSpec GuardSetting() {
  return ChoiceSetting(kGuardSetting,
                       "on: the source model is returned, and the run says so, where a rule of the "
                       "guard holds the adapted one back",
                       "on", {"on", "off"});
}

void AddSelection(MethodSpec& spec) {
  if (!spec.selects_weights) return;
  spec.holds_out_source = true;
  spec.hyperparameters = Concatenated(
      std::move(spec.hyperparameters),
      {ChoiceSetting("selection",
                     "Which weights of the run are returned: those that label-free validators "
                     "prefer, or the last ones",
                     "ensemble", {"ensemble", "last"}),
       GuardSetting()});
}

bool SelectsWeights(const MethodEntry& entry, const data::Dataset& target) {
  return entry.spec.selects_weights && target.size() >= kLeastTargetSamples;
}

std::unique_ptr<selection::SelectingTask> MakeSelectingTask(
    std::unique_ptr<train::Task> task, const MethodContext& context,
    std::shared_ptr<const selection::Examiner> examiner, selection::SelectionOptions options,
    selection::AskWitnesses ask_witnesses, std::shared_ptr<selection::Sights> sights) {
  return std::make_unique<selection::SelectingTask>(
      std::move(task),
      selection::SelectionSetting{context.model, context.target, context.device,
                                  std::move(examiner), &RecomputeStatistics,
                                  std::move(ask_witnesses), std::move(sights)},
      std::move(options));
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeSelectedTask(
    const MethodEntry& entry, const MethodContext& context,
    std::shared_ptr<selection::Sights> sights) {
  absl::StatusOr<std::unique_ptr<train::Task>> task = entry.make_task(context);
  if (!task.ok() || !entry.spec.selects_weights) return task;
  if (!SelectsWeights(entry, context.target)) {
    return context.settings.Text(kGuardSetting) == "on" ? MakeFewSamplesTask(context)
                                                        : std::move(task);
  }
  selection::SelectionOptions options;
  options.ensemble = context.settings.Text("selection") == "ensemble";
  options.guard = context.settings.Text(kGuardSetting) == "on";
  const bool chooses = options.ensemble || options.guard;
  auto examiner = std::make_shared<const selection::Examiner>(
      context.target, context.held_out, context.device, context.seed,
      chooses ? selection::SamplesOfLooks((*task)->plan(), context.model, context.held_out.size())
              : selection::kLeastSamples,
      context.guard_labels);
  if (options.ensemble) {
    options.moments = selection::Moments((*task)->plan(), context.model, *examiner);
  }
  selection::AskWitnesses ask_witnesses = [context, examiner](train::StopSignal& stop) {
    return AskTableTeacher(context, *examiner, stop);
  };
  return MakeSelectingTask(*std::move(task), context, std::move(examiner), std::move(options),
                           std::move(ask_witnesses), std::move(sights));
}

}  // namespace acclimate::methods
