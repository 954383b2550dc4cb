// The classical teacher that fits the data of a run: its predictions have nothing of the
// checkpoint, so that they err in ways of their own.
#ifndef ACCLIMATE_CORE_METHODS_TEACHING_CLASSICAL_TEACHER_H_
#define ACCLIMATE_CORE_METHODS_TEACHING_CLASSICAL_TEACHER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/methods/method.h"
#include "core/methods/teaching/vector_domains.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

// The method whose teacher fits: "text_teacher" for counts of which nine of ten are 0 in every
// domain, "table_teacher" for other vectors; empty without labelled sources, and for samples that
// neither takes.
std::string FittingTeacher(const MethodContext& context);

// What that teacher predicts, with its defaults, for the context's target and held-out samples;
// nothing where none fits. CANCELLED as soon as `stop` says so.
absl::StatusOr<absl::optional<ClassicalPredictions>> PredictClassically(
    const MethodContext& context, train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TEACHING_CLASSICAL_TEACHER_H_
