// The classical model for tables (table_model.h), fitted to the data of a run.
#ifndef ACCLIMATE_CORE_METHODS_TEACHING_TABLE_TEACHER_H_
#define ACCLIMATE_CORE_METHODS_TEACHING_TABLE_TEACHER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/methods/method.h"
#include "core/methods/teaching/vector_domains.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

struct TableTeacherOptions {
  int64_t neighbors = 5;  // of LAME; 0: without it
};

// OK where it fits: CheckVectors(), and at most 10000 values of a sample times classes.
absl::Status CheckTableTeacher(const MethodContext& context);

// Every source is standardised by itself; of large ones a sample is fitted. Above 20000 target
// samples, neighbours are looked for in parts of so many. CANCELLED as soon as `stop` says so.
absl::StatusOr<ClassicalPredictions> TableTeacherPredictions(const MethodContext& context,
                                                             const TableTeacherOptions& options,
                                                             train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TEACHING_TABLE_TEACHER_H_
