#include "core/methods/teaching/classical_teacher.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/methods/teaching/table_teacher.h"
#include "core/methods/teaching/text_teacher.h"

namespace acclimate::methods {
namespace {

// Words are rare: 98 % of the counts of reviews are 0, 34 % of the pixels of objects on black.
bool MostlyZero(const data::Dataset& dataset, uint64_t seed) {
  constexpr int64_t kLookedAt = 2000;
  constexpr double kZeros = 0.9;
  const at::Tensor sample = StoredSample(dataset, kLookedAt, seed);
  return sample.eq(0).to(at::kFloat).mean().item<double>() >= kZeros;
}

}  // namespace

std::string FittingTeacher(const MethodContext& context) {
  if (context.sources.empty()) return "";
  const auto mostly_zero = [&](const data::Dataset& dataset) {
    return MostlyZero(dataset, context.seed);
  };
  if (CheckTextTeacher(context).ok() && mostly_zero(context.target) &&
      std::all_of(context.sources.begin(), context.sources.end(), mostly_zero)) {
    return "text_teacher";
  }
  return CheckTableTeacher(context).ok() ? "table_teacher" : "";
}

absl::StatusOr<absl::optional<ClassicalPredictions>> PredictClassically(
    const MethodContext& context, train::StopSignal& stop) {
  const std::string teacher = FittingTeacher(context);
  if (teacher.empty()) return absl::optional<ClassicalPredictions>();
  absl::StatusOr<ClassicalPredictions> predictions =
      teacher == "text_teacher" ? TextTeacherPredictions(context, {}, stop)
                                : TableTeacherPredictions(context, {}, stop);
  if (!predictions.ok()) return predictions.status();
  return absl::optional<ClassicalPredictions>(*std::move(predictions));
}

}  // namespace acclimate::methods
