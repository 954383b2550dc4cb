// Finds and checks what a method was given beside the usual data.
#ifndef ACCLIMATE_CORE_METHODS_EXTRA_INPUTS_H_
#define ACCLIMATE_CORE_METHODS_EXTRA_INPUTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/methods/method.h"

namespace acclimate::methods {

// The dataset `name` that the run's own model is to read; null when it was not given.
// INVALID_ARGUMENT: its samples are not shaped like the target's.
absl::StatusOr<const data::Dataset*> FindModelInput(const MethodContext& context,
                                                    const std::string& name);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_EXTRA_INPUTS_H_
