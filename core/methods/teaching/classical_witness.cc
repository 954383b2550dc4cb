#include "core/methods/teaching/classical_witness.h"

#include <ATen/ATen.h>

#include "core/methods/source_free/laplacian_adjustment.h"
#include "core/methods/teaching/classical_teacher.h"
#include "core/methods/teaching/table_model.h"

namespace acclimate::methods {

selection::Witnesses ClassicalWitness(const ClassicalPredictions& predictions,
                                      const MethodContext& context,
                                      const selection::Examiner& examiner) {
  return {predictions.target.index_select(0, examiner.target_rows()).argmax(1),
          HeldOutAccuracy(predictions, context), absl::nullopt};
}

at::Tensor NeighborsOfSamples(const selection::Examiner& examiner) {
  constexpr int64_t kNeighbors = 5;
  const at::Tensor samples = examiner.target_sample().stored_inputs();
  return NearestNeighbors(TableScale(samples).Apply(samples, kTableTransforms - 1), kNeighbors,
                          Nearness::kDistance);
}

absl::StatusOr<selection::Witnesses> AskTableTeacher(const MethodContext& context,
                                                     const selection::Examiner& examiner,
                                                     train::StopSignal& stop) {
  if (FittingTeacher(context) != "table_teacher") return selection::Witnesses();
  const absl::StatusOr<absl::optional<ClassicalPredictions>> predictions =
      PredictClassically(context, stop);
  if (!predictions.ok()) return predictions.status();
  return ClassicalWitness(**predictions, context, examiner);
}

}  // namespace acclimate::methods
