#include "core/losses/reliable_entropy.h"

#include <ATen/ATen.h>

#include "core/losses/entropy.h"

namespace acclimate::losses {
namespace {

at::Tensor MeanOverKept(const at::Tensor& kept, const at::Tensor& values) {
  const at::Tensor shares = kept.to(values.scalar_type());
  return (shares * values).sum() / shares.sum().clamp_min(1.0);
}

}  // namespace

at::Tensor ReliableSamples(const at::Tensor& logits, double margin) {
  return Entropy(logits.detach()).lt(margin);
}

at::Tensor NovelSamples(const at::Tensor& probabilities, const at::Tensor& mean, double threshold) {
  const at::Tensor cosine =
      probabilities.mv(mean) / (probabilities.norm(2, {1}) * mean.norm()).clamp_min(1e-12);
  return cosine.abs().lt(threshold);
}

at::Tensor EntropyOf(const at::Tensor& kept, const at::Tensor& logits) {
  return MeanOverKept(kept, Entropy(logits));
}

at::Tensor WeightedEntropyOf(const at::Tensor& kept, const at::Tensor& logits, double margin) {
  const at::Tensor entropy = Entropy(logits);
  return MeanOverKept(kept, (margin - entropy.detach()).exp() * entropy);
}

}  // namespace acclimate::losses
