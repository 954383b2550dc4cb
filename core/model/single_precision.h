// Out of a type below float: of a tensor, and of a graph from one place on.
#ifndef ACCLIMATE_CORE_MODEL_SINGLE_PRECISION_H_
#define ACCLIMATE_CORE_MODEL_SINGLE_PRECISION_H_

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

namespace acclimate::model {

// bf16 and fp16 as float; everything else as it is.
at::Tensor AsFloat(const at::Tensor& tensor);

// Puts an operator behind `value`, a tensor of the outermost block. Where autocast is on when the
// graph reaches it, it turns autocast off for the rest of the run and hands the value on as float;
// elsewhere it hands the value on as it is. Nodes run in the order in which they stand, so that all
// that depends on the value computes in float.
void ComputeInFloatFrom(torch::jit::Value* value);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_SINGLE_PRECISION_H_
