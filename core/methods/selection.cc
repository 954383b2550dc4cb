#include "core/methods/selection.h"

#include <cstdint>
#include <utility>

#include "core/methods/peers.h"
#include "core/methods/target_statistics.h"
#include "core/selection/selecting_task.h"

namespace acclimate::methods {
namespace {

bool TakesSource(const MethodSpec& spec) { return spec.source != DataNeed::kNone; }

// Null where nobody is to be asked. The context outlives it.
selection::AskPeers PeersOf(const MethodEntry& entry, const MethodContext& context,
                            const train::Plan& plan,
                            const std::shared_ptr<const selection::Examiner>& examiner) {
  if (!TakesSource(entry.spec) || context.held_out.empty()) return nullptr;
  const int64_t count = context.settings.Integer("peers");
  if (count == 0) return nullptr;
  return [name = entry.spec.name, context, count, steps = plan.total_steps,
          examiner](train::StopSignal& stop) {
    return RunPeers(context, name, count, steps, *examiner, stop);
  };
}

}  // namespace

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
  if (!TakesSource(spec)) return;
  spec.hyperparameters.push_back(IntegerSetting(
      "peers",
      "Other methods that run an eighth of their steps beside it, for vectors one of "
      "them a linear classifier: how often they agree with a candidate is one of "
      "the validators, and caps its estimate",
      kMostPeers, 0, kMostPeers));
}

bool SelectsWeights(const MethodEntry& entry, const data::Dataset& target) {
  return entry.spec.selects_weights && target.size() >= kLeastTargetSamples;
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeSelectedTask(
    const MethodEntry& entry, const MethodContext& context,
    std::shared_ptr<selection::Sights> sights) {
  absl::StatusOr<std::unique_ptr<train::Task>> task = entry.make_task(context);
  if (!task.ok() || !SelectsWeights(entry, context.target)) return task;
  selection::SelectionOptions options;
  options.ensemble = context.settings.Text("selection") == "ensemble";
  options.guard = context.settings.Text("guard") == "on";
  const bool chooses = options.ensemble || options.guard;
  auto examiner = std::make_shared<const selection::Examiner>(
      context.target, context.held_out, context.device, context.seed,
      chooses ? selection::SamplesOfLooks((*task)->plan(), context.model, context.held_out.size())
              : selection::kLeastSamples);
  if (options.ensemble) {
    options.moments = selection::Moments((*task)->plan(), context.model, *examiner);
  }
  selection::AskPeers ask_peers = PeersOf(entry, context, (*task)->plan(), examiner);
  return std::make_unique<selection::SelectingTask>(
      *std::move(task),
      selection::SelectionSetting{
          context.model, context.target, context.device, std::move(examiner), &RecomputeStatistics,
          /*source_forms=*/nullptr, std::move(ask_peers), std::move(sights)},
      std::move(options));
}

}  // namespace acclimate::methods
