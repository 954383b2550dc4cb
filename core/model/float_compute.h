// TorchScript whose tensors are not all float, computed in float.
#ifndef ACCLIMATE_CORE_MODEL_FLOAT_COMPUTE_H_
#define ACCLIMATE_CORE_MODEL_FLOAT_COMPUTE_H_

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include "core/model/stored_form.h"

namespace acclimate::model {

// Converts the module's parameters and buffers to float, in place; returns the types of those that
// were half, bfloat16 or double. Tied tensors stay tied.
StoredTypes ConvertToFloat(const torch::jit::Module& module);
// The way back.
void ConvertToStored(const torch::jit::Module& module, const StoredTypes& types);

// Makes float of what the code itself casts to, or makes in, half, bfloat16 or double: it was
// written for the weights that ConvertToFloat() has converted.
void CastToFloatInstead(torch::jit::Graph* graph);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_FLOAT_COMPUTE_H_
