#include "core/methods/race/classical_rival.h"
#include "core/methods/perturbations.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/methods/race/racer.h"
#include "core/methods/teaching/classical_teacher.h"
#include "core/methods/teaching/classical_witness.h"
#include "core/methods/teaching/text_teacher.h"
#include "core/selection/neighbor_agreement.h"
#include "core/selection/source_record.h"

namespace acclimate::methods {

ClassicalRival::ClassicalRival(const MethodContext& context, bool source_free)
    : context_(&context), source_free_(source_free), name_(FittingTeacher(context)) {}

StudentOptions ClassicalRival::StudentOfARace() const {
  if (name_ == "text_teacher") return StudentOfTexts();
  constexpr int64_t kGenerations = 8;
  constexpr int64_t kStepsOfVectors = 600, kStepsOfOthers = 1000;
  const bool vectors = Vectors(context_->target);
  StudentOptions options;
  options.steps = vectors ? kStepsOfVectors : kStepsOfOthers;
  options.augment = vectors ? "none" : "auto";
  options.generations = kGenerations;
  return options;
}

absl::Status ClassicalRival::Predict(train::StopSignal& stop) {
  if (asked_ || source_free_) return absl::OkStatus();
  absl::StatusOr<absl::optional<ClassicalPredictions>> predictions =
      PredictClassically(*context_, stop);
  if (!predictions.ok()) return predictions.status();
  predictions_ = *std::move(predictions);
  asked_ = true;
  return absl::OkStatus();
}

absl::StatusOr<selection::Witnesses> ClassicalRival::Witness(const selection::Examiner& examiner,
                                                             train::StopSignal& stop) {
  if (name_ != "table_teacher") return selection::Witnesses();
  if (absl::Status status = Predict(stop); !status.ok()) return status;
  return predictions_ ? ClassicalWitness(*predictions_, *context_, examiner)
                      : selection::Witnesses();
}

absl::StatusOr<bool> ClassicalRival::IsBetterThan(const at::Tensor& leading,
                                                  const selection::Candidate& source,
                                                  const selection::Examiner& examiner,
                                                  train::StopSignal& stop) {
  if (absl::Status status = Predict(stop); !status.ok()) return status;
  if (!predictions_) return false;
  const selection::Witnesses says = ClassicalWitness(*predictions_, *context_, examiner);
  if (!selection::KnowsHome(says.home_accuracy, source,
                            selection::ReadRecord(context_->model.metadata()))) {
    return false;
  }
  if (!leading.defined()) return true;
  const at::Tensor neighbors = NeighborsOfSamples(examiner);
  return selection::NeighborAgreement(neighbors, says.teacher) >
         selection::NeighborAgreement(neighbors, leading);
}

absl::StatusOr<Teaching> ClassicalRival::Teach(train::StopSignal& stop) {
  if (absl::Status status = Predict(stop); !status.ok()) return status;
  return Teaching{predictions_->target, HeldOutAccuracy(*predictions_, *context_),
                  /*other_kind=*/true};
}

}  // namespace acclimate::methods
