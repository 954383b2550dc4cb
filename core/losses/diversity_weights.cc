#include "core/losses/diversity_weights.h"

#include <ATen/ATen.h>

#include "core/losses/entropy.h"

namespace acclimate::losses {
namespace {

constexpr double kNoDivisionByZero = 1e-12;

at::Tensor ScaledToOne(const at::Tensor& values) {
  return (values - values.min()) / (values.max() - values.min()).clamp_min(kNoDivisionByZero);
}

}  // namespace

at::Tensor DiversityWeights(const at::Tensor& logits, const at::Tensor& mean, double temperature) {
  const at::Tensor held = logits.detach();
  const at::Tensor p = held.softmax(1);
  const at::Tensor cosine =
      p.mv(mean) / (p.norm(2, {1}) * mean.norm()).clamp_min(kNoDivisionByZero);
  const at::Tensor diversity = ScaledToOne(1 - cosine);
  const at::Tensor certainty = ScaledToOne(-Entropy(held));
  const at::Tensor weights = (diversity * certainty / temperature).exp();
  return weights * diversity.ge(diversity.mean());
}

}  // namespace acclimate::losses
