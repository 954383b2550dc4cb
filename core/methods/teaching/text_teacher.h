// The classical model for texts (marginalized_autoencoder.h), fitted to the data of a run.
#ifndef ACCLIMATE_CORE_METHODS_TEACHING_TEXT_TEACHER_H_
#define ACCLIMATE_CORE_METHODS_TEACHING_TEXT_TEACHER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/methods/method.h"
#include "core/methods/teaching/student.h"
#include "core/methods/teaching/vector_domains.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

struct TextTeacherOptions {
  int64_t layers = 3;
  double corruption = 0.8;
  double inverse_penalty = 10;  // C of the logistic regression
};

// Of a network that learns from texts: it reads each with as many words left out as the autoencoder
// does, or it would learn its two thousand texts by heart.
StudentOptions StudentOfTexts();

// OK where it fits: CheckVectors(), and no negative value among 2000 samples of a domain.
absl::Status CheckTextTeacher(const MethodContext& context);

// Logistic regression on the autoencoder's features of which counts are above 0. Of large domains a
// sample is fitted. CANCELLED as soon as `stop` says so.
absl::StatusOr<ClassicalPredictions> TextTeacherPredictions(const MethodContext& context,
                                                            const TextTeacherOptions& options,
                                                            train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TEACHING_TEXT_TEACHER_H_
