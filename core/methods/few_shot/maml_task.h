// Meta-learning by gradient: what maml and anil share.
#ifndef ACCLIMATE_CORE_METHODS_FEW_SHOT_MAML_TASK_H_
#define ACCLIMATE_CORE_METHODS_FEW_SHOT_MAML_TASK_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/methods/method.h"

namespace acclimate::methods {

enum class Adapted { kEverything, kHead };  // by the inner loop

// The head starts at zero, where the first inner step makes of it a classifier by similarity to the
// support (Kao et al., ICLR 2022), unless the model was meta-trained before. Support and query are
// normalised by their own batch statistics; the stored ones become those of the whole target at the
// end.
absl::StatusOr<std::unique_ptr<train::Task>> MakeMamlTask(const MethodContext& context,
                                                          Adapted adapted);

// Data needs and hyperparameters; the caller adds names and texts.
MethodSpec MamlSpec();

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FEW_SHOT_MAML_TASK_H_
