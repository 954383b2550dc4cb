#include "core/shift/h_score.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace acclimate::shift {
namespace {

constexpr double kRelativeZero = 1e-9;  // an eigenvalue below this share of the largest is 0

}  // namespace

double HScore(const at::Tensor& features, const at::Tensor& labels, int64_t classes) {
  TORCH_CHECK(features.dim() == 2 && labels.dim() == 1 && features.size(0) == labels.size(0) &&
                  features.size(0) >= 1,
              "HScore: needs features [N, D] and labels [N], got ", features.sizes(), " and ",
              labels.sizes());
  const at::NoGradGuard no_grad;
  const double samples = features.size(0);
  const at::Tensor centred = features.to(at::kDouble) - features.to(at::kDouble).mean(0);
  const at::Tensor members = at::one_hot(labels, classes).to(at::kDouble);
  const at::Tensor counts = members.sum(0).clamp_min(1);
  // cov(E[f | y]) = B'B with a row sqrt(n_c / N) E[f | c] a class.
  const at::Tensor between =
      members.t().mm(centred) / (counts.sqrt() * std::sqrt(samples)).unsqueeze(1);
  const auto [values, vectors] = at::linalg_eigh(centred.t().mm(centred) / samples);
  const at::Tensor kept = values.gt(values.max() * kRelativeZero);
  const at::Tensor along = between.mm(vectors).square().sum(0);
  return at::where(kept, along / values, at::zeros_like(along)).sum().item<double>();
}

}  // namespace acclimate::shift
