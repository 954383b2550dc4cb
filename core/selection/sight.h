// What forward passes saw of one model: all that validators, estimates and pictures need of it.
#ifndef ACCLIMATE_CORE_SELECTION_SIGHT_H_
#define ACCLIMATE_CORE_SELECTION_SIGHT_H_

#include <ATen/core/Tensor.h>

#include "absl/types/optional.h"
#include "core/selection/predictions.h"

namespace acclimate::selection {

// Predictions on mixtures of two target samples that the model says different classes of.
struct Mixtures {
  at::Tensor logits;    // float32 [M, C] on the CPU
  at::Tensor dominant;  // int64 [M]: the class said of the sample that has the larger part
};

struct Sight {
  Predictions target;                    // without labels
  absl::optional<Predictions> held_out;  // with labels; none for a source-free run
  absl::optional<Mixtures> mixtures;     // none where they were not asked for, or all samples are
                                         // in one class
  // bool [n] on the CPU: whether it is right on each of the labelled samples that the guard may ask
  // of. Undefined without any.
  at::Tensor right = {};
};

// Of a run, for whoever shows the models that it begins and ends with.
struct Sights {
  absl::optional<Sight> source;    // the source model as it came
  absl::optional<Sight> returned;  // the model that is returned, where a look saw that very model
};

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_SIGHT_H_
