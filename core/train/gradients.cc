#include "core/train/gradients.h"

#include <torch/autograd.h>

namespace acclimate::train {

std::vector<at::Tensor> Gradients(const at::Tensor& loss, const std::vector<at::Tensor>& tensors,
                                  bool retain_graph, bool create_graph) {
  return torch::autograd::grad({loss}, tensors, /*grad_outputs=*/{}, retain_graph || create_graph,
                               create_graph, /*allow_unused=*/true);
}

}  // namespace acclimate::train
