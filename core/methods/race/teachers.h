// The finalists of a race as one teacher.
#ifndef ACCLIMATE_CORE_METHODS_RACE_TEACHERS_H_
#define ACCLIMATE_CORE_METHODS_RACE_TEACHERS_H_

#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/methods/race/racer.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

// The mean of the racers' softmaxes, each as it would be if its run ended now: float32 [N, C] on
// the CPU, of every target sample. The racers go on as if nobody had asked.
absl::StatusOr<at::Tensor> MeanProbabilities(const std::vector<Racer*>& racers,
                                             const MethodContext& context, train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_RACE_TEACHERS_H_
