// The classical teacher beside a race: one kind of teacher or the other teaches, since their mean
// is worse than the better one (docs/methods/auto.md).
#ifndef ACCLIMATE_CORE_METHODS_RACE_CLASSICAL_RIVAL_H_
#define ACCLIMATE_CORE_METHODS_RACE_CLASSICAL_RIVAL_H_

#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/methods/method.h"
#include "core/methods/teaching/student.h"
#include "core/methods/teaching/vector_domains.h"
#include "core/selection/candidate.h"
#include "core/selection/examiner.h"
#include "core/selection/guard.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

// It is fitted once, when it is first asked. CANCELLED: to be asked again.
class ClassicalRival {
 public:
  // context: that of the race; outlives this. source_free: nothing trains on source data, so that
  // there is none.
  ClassicalRival(const MethodContext& context, bool source_free);

  // The method that it is of; empty where none fits.
  const std::string& name() const { return name_; }
  // What the student of the race learns by, whoever teaches it.
  StudentOptions StudentOfARace() const;
  // As AskTableTeacher().
  absl::StatusOr<selection::Witnesses> Witness(const selection::Examiner& examiner,
                                               train::StopSignal& stop);
  // Whether it teaches in place of racers: it knows the source's domain about as well as the source
  // model, and samples that lie together get the same class from it more often. leading: int64 [N],
  // what these say of the examiner's samples; undefined where there are none.
  absl::StatusOr<bool> IsBetterThan(const at::Tensor& leading, const selection::Candidate& source,
                                    const selection::Examiner& examiner, train::StopSignal& stop);
  // Of one that is there.
  absl::StatusOr<Teaching> Teach(train::StopSignal& stop);

 private:
  absl::Status Predict(train::StopSignal& stop);

  const MethodContext* context_;
  const bool source_free_;
  const std::string name_;
  bool asked_ = false;
  absl::optional<ClassicalPredictions> predictions_;  // absent: not asked, or none fits
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_RACE_CLASSICAL_RIVAL_H_
