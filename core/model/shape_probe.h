// Whether a model takes samples of a shape, and if not, why.
#ifndef ACCLIMATE_CORE_MODEL_SHAPE_PROBE_H_
#define ACCLIMATE_CORE_MODEL_SHAPE_PROBE_H_

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/model/model.h"

namespace acclimate::model {

inline constexpr int64_t kProbeSamples = 2;

// One pass over zeros proves that the model takes samples of this shape, so many at once; without a
// shape nothing is asked. INVALID_ARGUMENT, in one sentence: an output that is no logits; a number
// of samples that a trace has written into the code; the order of the axes that the model would
// take; else what LibTorch says.
absl::Status ProbeShape(Model& model, const std::vector<int64_t>& sample_shape,
                        int64_t samples = kProbeSamples);

// The line of LibTorch's message that says what is wrong: messages of scripted code end with it,
// all others begin with it.
std::string ReasonOf(const std::exception& error);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_SHAPE_PROBE_H_
