// Which operators a user's model may hold: a first line before the sandbox, not instead of
// it.
#ifndef ACCLIMATE_CORE_MODEL_OPERATOR_POLICY_H_
#define ACCLIMATE_CORE_MODEL_OPERATOR_POLICY_H_

#include <torch/csrc/jit/api/compilation_unit.h>

#include "absl/status/status.h"

namespace acclimate::model {

// INVALID_ARGUMENT names every operator, in any function of the unit, that reads or writes files,
// reaches into storage, reseeds the generators, forks, calls out or prints, and every one of a
// library beside LibTorch's operators for computing.
absl::Status CheckOperators(const torch::jit::CompilationUnit& unit);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_OPERATOR_POLICY_H_
