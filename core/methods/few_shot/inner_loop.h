// The inner loop of gradient-based meta-learning (Finn et al., MAML, ICML 2017):
//
//   theta'_0 = theta,    theta'_{k+1} = theta'_k - a grad L(theta'_k)
//
// With second_order the steps are part of the graph, so that the gradient of a loss of theta' with
// respect to theta is exact: (I - a Hess L) grad for one step. Without, grad L counts as a constant
// and the gradient of theta' passes to theta unchanged (FOMAML).
#ifndef ACCLIMATE_CORE_METHODS_FEW_SHOT_INNER_LOOP_H_
#define ACCLIMATE_CORE_METHODS_FEW_SHOT_INNER_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace acclimate::methods {

using ParameterMap = std::map<std::string, at::Tensor>;  // by name

struct InnerLoop {
  int64_t steps = 1;
  double learning_rate = 0.4;  // a
  bool second_order = true;
};

// theta' after the steps. `start` must require gradients; it stays as it is, theta' are new
// tensors. loss: parameters -> scalar. A parameter that the loss does not depend on stays at its
// start.
ParameterMap Adapt(const ParameterMap& start,
                   const std::function<at::Tensor(const ParameterMap&)>& loss,
                   const InnerLoop& options);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FEW_SHOT_INNER_LOOP_H_
