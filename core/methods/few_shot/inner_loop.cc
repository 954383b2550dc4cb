#include "core/methods/few_shot/inner_loop.h"

#include <ATen/ATen.h>

#include <vector>

#include "core/train/gradients.h"

namespace acclimate::methods {

ParameterMap Adapt(const ParameterMap& start,
                   const std::function<at::Tensor(const ParameterMap&)>& loss,
                   const InnerLoop& options) {
  ParameterMap fast = start;
  for (int64_t step = 0; step < options.steps; ++step) {
    std::vector<at::Tensor> tensors;
    for (const auto& [name, tensor] : fast) tensors.push_back(tensor);
    const std::vector<at::Tensor> gradients = train::Gradients(
        loss(fast), tensors, /*retain_graph=*/false, /*create_graph=*/options.second_order);
    size_t i = 0;
    for (auto& [name, tensor] : fast) {
      const at::Tensor& gradient = gradients[i++];
      if (gradient.defined()) tensor = tensor - options.learning_rate * gradient;
    }
  }
  return fast;
}

}  // namespace acclimate::methods
