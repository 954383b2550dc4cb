#include "core/methods/race/teachers.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/selection/predictions.h"
#include "core/train/bookmark.h"

namespace acclimate::methods {
namespace {

absl::StatusOr<at::Tensor> ProbabilitiesOf(Racer& racer, const MethodContext& context,
                                           train::StopSignal& stop) {
  if (absl::Status status = racer.task->Finish(stop); !status.ok()) return status;
  if (at::Tensor own = racer.task->target_probabilities(); own.defined()) {
    return own.to(at::kCPU, at::kFloat);
  }
  model::Model& model = racer.task->own_model() ? *racer.task->own_model() : *racer.model;
  return selection::PredictProbabilities(model, context.target, context.device, stop);
}

}  // namespace

absl::StatusOr<at::Tensor> MeanProbabilities(const std::vector<Racer*>& racers,
                                             const MethodContext& context,
                                             train::StopSignal& stop) {
  at::Tensor sum;
  for (Racer* const racer : racers) {
    const train::Bookmark bookmark(*racer->model, *racer->task, context.device);
    const absl::StatusOr<at::Tensor> probabilities = ProbabilitiesOf(*racer, context, stop);
    if (absl::Status status = bookmark.Return(); !status.ok()) return status;
    if (!probabilities.ok()) return probabilities.status();
    sum = sum.defined() ? sum.add_(*probabilities) : probabilities->clone();
  }
  return sum.div_(static_cast<double>(racers.size()));
}

}  // namespace acclimate::methods
