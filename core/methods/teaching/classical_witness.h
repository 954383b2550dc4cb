// What a classical teacher says of the samples that a run's models are seen on, for the guard.
#ifndef ACCLIMATE_CORE_METHODS_TEACHING_CLASSICAL_WITNESS_H_
#define ACCLIMATE_CORE_METHODS_TEACHING_CLASSICAL_WITNESS_H_

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/methods/method.h"
#include "core/methods/teaching/vector_domains.h"
#include "core/selection/examiner.h"
#include "core/selection/guard.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

// `predictions` for the samples of the examiner.
selection::Witnesses ClassicalWitness(const ClassicalPredictions& predictions,
                                      const MethodContext& context,
                                      const selection::Examiner& examiner);

// That of the table teacher; nobody where another fits or none: the text teacher takes longer than
// many a run.
absl::StatusOr<selection::Witnesses> AskTableTeacher(const MethodContext& context,
                                                     const selection::Examiner& examiner,
                                                     train::StopSignal& stop);

// Of each sample of the examiner, vectors, the five nearest others: int64 [N, 5], by distance in
// coordinates that the samples themselves have standardised, after T2 of table_model.h.
at::Tensor NeighborsOfSamples(const selection::Examiner& examiner);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TEACHING_CLASSICAL_WITNESS_H_
