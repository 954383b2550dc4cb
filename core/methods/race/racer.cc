#include "core/methods/race/racer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/data/sampler.h"
#include "core/methods/diagnosis/shift_offers.h"
#include "core/methods/optimization.h"
#include "core/methods/perturbations.h"
#include "core/train/bookmark.h"

namespace acclimate::methods {
namespace {

// What more steps bring, the student of the finalists brings sooner (docs/methods/auto.md).
// Networks for vectors are small and learn in fewer.
int64_t MostRaceSteps(const data::Dataset& target) {
  constexpr int64_t kOfVectors = 600, kOfOthers = 800;
  return Vectors(target) ? kOfVectors : kOfOthers;
}

}  // namespace

Hyperparameters ShareOfPlan(const MethodSpec& spec, const std::vector<data::Dataset>& sources,
                            const data::Dataset& target, double share, int64_t most_steps) {
  Hyperparameters values = *ResolveHyperparameters(spec, {});
  const auto shortened = [share](int64_t whole, int64_t most) {
    const auto length = static_cast<double>(std::min(whole, std::max<int64_t>(most, 1)));
    return std::max<int64_t>(1, std::llround(length * share));
  };
  if (const auto it = values.find("steps"); it != values.end()) {
    const int64_t whole = std::get<int64_t>(it->second);
    it->second =
        shortened(whole > 0 ? whole : PlannedSteps(Settings(values), sources, target), most_steps);
  }
  if (const auto it = values.find("epochs"); it != values.end()) {
    const int64_t per_epoch =
        BatchesPerEpoch(target.size(), Settings(values).Integer("batch_size"));
    it->second = shortened(std::get<int64_t>(it->second), most_steps / per_epoch);
  }
  return values;
}

std::string ObstacleTo(const MethodEntry& entry, const MethodContext& context, bool source_free) {
  if (source_free && entry.spec.source == DataNeed::kRequired) {
    return "left out: it uses source data";
  }
  return shift::MissingNeed(OfferOf(entry.spec),
                            AvailableFor(context.model, context.target, !context.sources.empty()));
}

absl::StatusOr<Racer> MakeRacer(const MethodEntry& entry, const MethodContext& context,
                                const ExtraInputs& inputs) {
  std::unique_ptr<model::Model> model = context.model.Clone();
  const Settings settings(ShareOfPlan(entry.spec, context.sources, context.target,
                                      context.settings.Real("budget"),
                                      MostRaceSteps(context.target)));
  absl::StatusOr<std::unique_ptr<train::Task>> task =
      entry.make_task({*model, context.sources, context.target, context.device, settings, inputs,
                       context.held_out, context.seed});
  if (!task.ok()) return task.status();
  return RacerOf(entry.spec.name, std::move(model), *std::move(task), context);
}

Racer RacerOf(std::string name, std::unique_ptr<model::Model> model,
              std::unique_ptr<train::Task> task, const MethodContext& context) {
  Racer racer{std::move(name), std::move(model), std::move(task), nullptr};
  train::TrainerOptions options;
  options.device = context.device;
  options.seed = context.seed;
  racer.trainer = std::make_unique<train::Trainer>(*racer.task, *racer.model, context.sources,
                                                   context.target, options, train::TrainerHooks());
  return racer;
}

absl::StatusOr<selection::Candidate> Look(Racer& racer, const MethodContext& context,
                                          const selection::Examiner& examiner,
                                          train::StopSignal& stop) {
  const train::Bookmark bookmark(*racer.model, *racer.task, context.device);
  absl::StatusOr<selection::Candidate> candidate = examiner.ExamineAhead(
      *racer.task, *racer.model, selection::ReadRecord(context.model.metadata()), stop);
  if (absl::Status status = bookmark.Return(); !status.ok()) return status;
  if (candidate.ok()) candidate->step = racer.trainer->step();
  return candidate;
}

}  // namespace acclimate::methods
