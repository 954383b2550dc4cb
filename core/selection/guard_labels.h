// The one way by which labels of the target reach a choice: those of an audit, where the job says
// `use_audit`. Only the guard reads what comes of them (guard/audit.cc, and which form of the
// source model is the better one); nothing trains on them, and no validator sees them.
#ifndef ACCLIMATE_CORE_SELECTION_GUARD_LABELS_H_
#define ACCLIMATE_CORE_SELECTION_GUARD_LABELS_H_

#include <ATen/core/Tensor.h>

#include "core/data/dataset.h"

namespace acclimate::selection {

struct GuardLabels {
  data::Dataset samples;  // of the target, drawn at random; without labels in it
  at::Tensor labels;      // int64 [n] on the CPU: their classes
};

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_GUARD_LABELS_H_
