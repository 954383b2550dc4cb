// Which operators a user's model may hold: a first line before the sandbox, not instead of
// it.
#ifndef ACCLIMATE_CORE_MODEL_OPERATOR_POLICY_H_
#define ACCLIMATE_CORE_MODEL_OPERATOR_POLICY_H_

#include <torch/csrc/jit/api/module.h>

#include "absl/status/status.h"

namespace acclimate::model {

// INVALID_ARGUMENT names every operator, in any method of the module, that reads or
// writes files, reaches into storage, reseeds the generators, forks, calls out or prints.
absl::Status CheckOperators(const torch::jit::Module& module);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_OPERATOR_POLICY_H_
