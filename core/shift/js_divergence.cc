#include "core/shift/js_divergence.h"

#include <ATen/ATen.h>

namespace acclimate::shift {
namespace {

// Along the last dimension: [..., K] -> [...]. 0 log 0 is 0.
at::Tensor Divergences(const at::Tensor& p, const at::Tensor& q) {
  const at::Tensor middle = (p + q) / 2;
  const at::Tensor entropy_of_middle = at::xlogy(middle, middle).sum(-1).neg();
  const at::Tensor entropies = (at::xlogy(p, p) + at::xlogy(q, q)).sum(-1).neg();
  return (entropy_of_middle - entropies / 2).clamp_min(0);
}

// [n, D] -> shares [D, bins]; edges: [D, bins - 1] ascending.
at::Tensor Histograms(const at::Tensor& samples, const at::Tensor& edges) {
  const int64_t dimensions = edges.size(0), bins = edges.size(1) + 1;
  const at::Tensor bin = at::searchsorted(edges, samples.t().contiguous(), /*out_int32=*/false,
                                          /*right=*/true);
  const at::Tensor cell = bin + at::arange(dimensions, at::kLong).unsqueeze(1) * bins;
  const at::Tensor counts = cell.flatten().bincount({}, dimensions * bins).to(at::kDouble);
  return counts.view({dimensions, bins}) / static_cast<double>(samples.size(0));
}

}  // namespace

double JsDivergence(const at::Tensor& p, const at::Tensor& q) {
  TORCH_CHECK(p.dim() == 1 && p.sizes() == q.sizes(), "JsDivergence: shares must be [K], got ",
              p.sizes(), " and ", q.sizes());
  const at::Tensor a = p.to(at::kDouble), b = q.to(at::kDouble);
  TORCH_CHECK(a.min().item<double>() >= 0 && b.min().item<double>() >= 0 &&
                  a.sum().item<double>() > 0 && b.sum().item<double>() > 0,
              "JsDivergence: shares must not be negative, nor all 0");
  return Divergences(a / a.sum(), b / b.sum()).item<double>();
}

double HistogramJsDivergence(const at::Tensor& source, const at::Tensor& target, int64_t bins) {
  TORCH_CHECK(source.dim() == 2 && target.dim() == 2 && source.size(1) == target.size(1),
              "HistogramJsDivergence: samples must be [n, D] and [m, D], got ", source.sizes(),
              " and ", target.sizes());
  TORCH_CHECK(bins >= 2 && source.size(0) >= 1 && target.size(0) >= 1,
              "HistogramJsDivergence: needs two bins and a sample a side");
  const at::Tensor pooled = std::get<0>(at::cat({source, target}).sort(0));
  const at::Tensor place = at::arange(1, bins, at::kLong) * pooled.size(0) / bins;
  const at::Tensor edges = pooled.index_select(0, place.to(at::kLong)).t().contiguous();
  return Divergences(Histograms(source, edges), Histograms(target, edges)).mean().item<double>();
}

}  // namespace acclimate::shift
