// Which methods a checkpoint fits.
#ifndef ACCLIMATE_CORE_INSPECT_FITTING_METHODS_H_
#define ACCLIMATE_CORE_INSPECT_FITTING_METHODS_H_

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/model/model.h"

namespace acclimate::inspect {

// Of the methods that adapt a model to a target without labels: `methods_without_source`,
// `methods_with_source` (which need it besides) and `methods_left_out` ("lame: it needs ..."), each
// sorted. What the data show first, such as a shift that a method is not made for, is for diagnose.
// sample_shape: of what the model takes; empty: not known, and nothing is left out for it.
nlohmann::ordered_json FittingMethods(const model::Model& model,
                                      const std::vector<int64_t>& sample_shape);

}  // namespace acclimate::inspect

#endif  // ACCLIMATE_CORE_INSPECT_FITTING_METHODS_H_
