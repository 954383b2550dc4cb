// Fresh weights as PyTorch draws them.
#ifndef ACCLIMATE_CORE_MODEL_WEIGHT_DRAW_H_
#define ACCLIMATE_CORE_MODEL_WEIGHT_DRAW_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::model {

// PyTorch's default for the weights and biases of convolutions and linear layers with `fan_in`
// inputs: float32, uniform in +-1/sqrt(fan_in), from the default CPU generator. Requires no
// gradient.
at::Tensor DrawWeights(at::IntArrayRef shape, int64_t fan_in);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_WEIGHT_DRAW_H_
