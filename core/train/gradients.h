// The gradients of a loss without touching those that the tensors hold, for sources that can do
// without LibTorch's header for it, which takes GCC several seconds.
#ifndef ACCLIMATE_CORE_TRAIN_GRADIENTS_H_
#define ACCLIMATE_CORE_TRAIN_GRADIENTS_H_

#include <vector>

#include <ATen/core/Tensor.h>

namespace acclimate::train {

// Of `loss` ([]) with respect to each of `tensors`; undefined where it does not depend on one.
// `create_graph`: they can be differentiated themselves, and the graph is retained.
std::vector<at::Tensor> Gradients(const at::Tensor& loss, const std::vector<at::Tensor>& tensors,
                                  bool retain_graph = false, bool create_graph = false);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_GRADIENTS_H_
