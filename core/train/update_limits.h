// How large the updates of a network may be that cannot correct large ones by itself.
#ifndef ACCLIMATE_CORE_TRAIN_UPDATE_LIMITS_H_
#define ACCLIMATE_CORE_TRAIN_UPDATE_LIMITS_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/model/model.h"
#include "core/train/task.h"

namespace acclimate::train {

struct UpdateLimits {
  int64_t warm_up_steps = 0;   // WarmUpFactor(); 0: none
  double gradient_norm = 0.0;  // LimitNorm(); 0: no limit

  bool any() const { return warm_up_steps > 0; }
};

// The methods' default rates are made for networks with batch norm, which undoes a change of scale
// of its input. A model without batch norm warms up over a tenth of the plan, at most 500 steps,
// and its gradients have a norm of at most 1. A model with batch norm has no limits. The result
// depends on the model and the plan alone, so that a resumed run has the same.
UpdateLimits LimitsFor(const model::Model& model, const Plan& plan);

// Scales all gradients by one factor so that their common norm is at most `limit` (Pascanu et al.,
// ICML 2013). Gradients within the limit stay bit for bit. In place; the host waits for nothing.
void LimitNorm(const std::vector<at::Tensor>& gradients, double limit);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_UPDATE_LIMITS_H_
