#include "core/methods/race/racer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/methods/diagnosis/shift_offers.h"
#include "core/methods/optimization.h"
#include "core/methods/race/race.h"
#include "core/methods/target_statistics.h"

namespace acclimate::methods {

Hyperparameters ShareOfPlan(const MethodSpec& spec, const std::vector<data::Dataset>& sources,
                            const data::Dataset& target, double share) {
  Hyperparameters values = *ResolveHyperparameters(spec, {});
  for (const char* length : {"steps", "epochs"}) {
    const auto it = values.find(length);
    if (it == values.end()) continue;
    int64_t whole = std::get<int64_t>(it->second);
    if (whole == 0) whole = PlannedSteps(Settings(values), sources, target);
    it->second = std::max<int64_t>(1, std::llround(static_cast<double>(whole) * share));
  }
  return values;
}

std::string ObstacleTo(const MethodEntry& entry, const MethodContext& context, bool source_free) {
  if (source_free && entry.spec.source == DataNeed::kRequired) {
    return "left out: it uses source data";
  }
  shift::Available available;
  available.sources = !context.sources.empty();
  available.batch_norm = !context.model.batch_norm_layers().empty();
  available.vectors = context.target.sample_shape().size() == 1;
  return shift::MissingNeed(OfferOf(entry.spec), available);
}

absl::StatusOr<Racer> MakeRacer(const MethodEntry& entry, const MethodContext& context,
                                const ExtraInputs& inputs,
                                std::shared_ptr<const selection::Examiner> examiner,
                                std::shared_ptr<std::vector<selection::Candidate>> source_forms) {
  Racer racer;
  racer.name = entry.spec.name;
  racer.trains_on_source = entry.spec.source == DataNeed::kRequired;
  racer.model = context.model.Clone();
  const Settings settings(
      ShareOfPlan(entry.spec, context.sources, context.target, context.settings.Real("budget")));
  absl::StatusOr<std::unique_ptr<train::Task>> task =
      entry.make_task({*racer.model, context.sources, context.target, context.device, settings,
                       inputs, context.held_out, context.seed});
  if (!task.ok()) return task.status();
  selection::SelectionOptions options;
  options.guard = context.settings.Text("guard") == "on";
  const int64_t total = (*task)->plan().total_steps;
  for (const int64_t eighth : {1, 2, 3, 4, 5, 6, 7}) {
    options.moments.push_back(StepsAfter(eighth * kSlices / 8, total));
  }
  racer.task = std::make_unique<selection::SelectingTask>(
      *std::move(task),
      selection::SelectionSetting{*racer.model, context.target, context.device, std::move(examiner),
                                  &RecomputeStatistics, std::move(source_forms)},
      std::move(options));
  train::TrainerOptions trainer_options;
  trainer_options.device = context.device;
  trainer_options.seed = context.seed;
  racer.trainer =
      std::make_unique<train::Trainer>(*racer.task, *racer.model, context.sources, context.target,
                                       trainer_options, train::TrainerHooks());
  return racer;
}

}  // namespace acclimate::methods
