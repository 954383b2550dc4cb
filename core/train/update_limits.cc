#include "core/train/update_limits.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace acclimate::train {

UpdateLimits LimitsFor(const model::Model& model, const Plan& plan) {
  constexpr int64_t kShareOfPlan = 10, kMostWarmUpSteps = 500;
  constexpr double kGradientNorm = 1.0;
  if (plan.groups.empty() || !model.batch_norm_layers().empty()) return {};
  const int64_t steps = std::clamp<int64_t>(plan.total_steps / kShareOfPlan, 1, kMostWarmUpSteps);
  return {steps, kGradientNorm};
}

void LimitNorm(const std::vector<at::Tensor>& gradients, double limit) {
  if (gradients.empty()) return;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> norms;
  norms.reserve(gradients.size());
  for (const at::Tensor& gradient : gradients) norms.push_back(gradient.norm());
  const at::Tensor factor = (limit / at::stack(norms).norm()).clamp_max(1.0);
  for (const at::Tensor& gradient : gradients) gradient.mul_(factor);
}

}  // namespace acclimate::train
