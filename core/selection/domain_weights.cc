#include "core/selection/domain_weights.h"

#include <ATen/ATen.h>

#include "core/losses/unit_rows.h"

namespace acclimate::selection {
namespace {

constexpr double kRidge = 0.01;
constexpr int kNewtonSteps = 12;
constexpr double kSmall = 1e-12;
// More features than this are projected onto as many random directions: the Newton step is cubic
// in them.
constexpr int64_t kMostFeatures = 256;

at::Tensor Standardised(at::Tensor rows) {
  if (rows.size(1) > kMostFeatures) {
    rows = rows.mm(at::randn({rows.size(1), kMostFeatures}, at::detail::createCPUGenerator(1),
                             rows.options()));
  }
  const at::Tensor centred = rows - rows.mean(0, true);
  return centred / centred.square().mean(0, true).sqrt().clamp_min(kSmall);
}

}  // namespace

at::Tensor TargetProbability(const at::Tensor& source, const at::Tensor& target) {
  const int64_t n = source.size(0), m = target.size(0);
  const at::Tensor rows = Standardised(at::cat({source, target}).to(at::kDouble));
  const at::Tensor x = at::cat({rows, at::ones({n + m, 1}, rows.options())}, 1);
  const at::Tensor t = at::cat({at::zeros({n}, rows.options()), at::ones({m}, rows.options())});
  at::Tensor penalty = at::full({x.size(1)}, kRidge, rows.options());
  penalty[x.size(1) - 1] = 1e-9;  // the intercept is free
  at::Tensor w = at::zeros({x.size(1)}, rows.options());
  const double scale = 1.0 / static_cast<double>(n + m);
  for (int step = 0; step < kNewtonSteps; ++step) {
    const at::Tensor p = x.mv(w).sigmoid();
    const at::Tensor gradient = x.t().mv(p - t) * scale + penalty * w;
    const at::Tensor curvature = (p * (1 - p)).clamp_min(1e-6) * scale;
    const at::Tensor hessian = x.t().mm(x * curvature.unsqueeze(1)) + penalty.diag();
    const at::Tensor change =
        at::cholesky_solve(gradient.unsqueeze(1), at::linalg_cholesky(hessian));
    w = w - change.squeeze(1);
    if (change.abs().max().item<double>() < 1e-8) break;
  }
  return x.mv(w).sigmoid();
}

at::Tensor DensityRatios(const at::Tensor& source, const at::Tensor& target) {
  const int64_t n = source.size(0);
  const at::Tensor p = TargetProbability(source, target).slice(0, 0, n);
  return p / (1 - p).clamp_min(kSmall) *
         (static_cast<double>(n) / static_cast<double>(target.size(0)));
}

double DeepEmbeddedValidation(const at::Tensor& weights, const at::Tensor& losses) {
  const at::Tensor w = weights.to(at::kDouble);
  const at::Tensor weighted = w * losses.to(at::kDouble);
  const at::Tensor spread = w - w.mean();
  const double variance = spread.square().mean().item<double>();
  const double covariance = ((weighted - weighted.mean()) * spread).mean().item<double>();
  const double eta = variance < kSmall ? 0.0 : -covariance / variance;
  return -(weighted.mean().item<double>() + eta * w.mean().item<double>() - eta);
}

double NearestSource(const at::Tensor& source_features, const at::Tensor& source_labels,
                     const at::Tensor& target_features, const at::Tensor& target_logits) {
  const at::Tensor members =
      at::one_hot(source_labels, target_logits.size(1)).to(source_features.scalar_type());
  const at::Tensor counts = members.sum(0).unsqueeze(1);
  const at::Tensor centroids =
      members.t().mm(losses::UnitRows(source_features)) / counts.clamp_min(1);
  at::Tensor similarity = losses::UnitRows(target_features).mm(losses::UnitRows(centroids).t());
  similarity.masked_fill_(counts.t().eq(0), -2.0);  // below every cosine
  return similarity.argmax(1).eq(target_logits.argmax(1)).to(at::kDouble).mean().item<double>();
}

}  // namespace acclimate::selection
