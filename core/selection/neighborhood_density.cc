#include "core/selection/neighborhood_density.h"

#include <ATen/ATen.h>

#include "core/losses/entropy.h"

namespace acclimate::selection {
namespace {

constexpr double kSoftness = 0.05;  // of the paper

}  // namespace

double NeighborhoodDensity(const at::Tensor& logits) {
  at::Tensor p = logits.to(at::kFloat).softmax(1);
  p = p / p.norm(2, 1, /*keepdim=*/true);
  at::Tensor similarity = p.mm(p.t()).div_(kSoftness);
  // Far below every similarity, and finite: probability 0 without NaN in p log p.
  similarity.fill_diagonal_(-1e4);
  return losses::Entropy(similarity).to(at::kDouble).mean().item<double>();
}

}  // namespace acclimate::selection
