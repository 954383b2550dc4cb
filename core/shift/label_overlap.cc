#include "core/shift/label_overlap.h"

#include <ATen/ATen.h>

namespace acclimate::shift {

double LabelOverlap(const at::Tensor& p, const at::Tensor& q) {
  TORCH_CHECK(p.dim() == 1 && p.sizes() == q.sizes(), "LabelOverlap: shares must be [C], got ",
              p.sizes(), " and ", q.sizes());
  return at::minimum(p.to(at::kDouble), q.to(at::kDouble)).sum().item<double>();
}

double PredictedLabelTest(const at::Tensor& source_counts, const at::Tensor& target_counts) {
  const at::Tensor table =
      at::stack({source_counts.to(at::kDouble), target_counts.to(at::kDouble)});  // [2, C]
  const at::Tensor columns = table.sum(0), rows = table.sum(1);
  const at::Tensor expected = rows.unsqueeze(1) * columns / rows.sum();
  const at::Tensor terms = (table - expected).square() / expected;
  const double statistic =
      at::where(expected.gt(0), terms, at::zeros_like(terms)).sum().item<double>();
  const double freedom = columns.gt(0).sum().item<double>() - 1;
  if (freedom < 1) return 1;
  // The survival function of chi squared: Q(freedom / 2, statistic / 2).
  return at::special_gammaincc(at::scalar_tensor(freedom / 2, at::kDouble),
                               at::scalar_tensor(statistic / 2, at::kDouble))
      .item<double>();
}

}  // namespace acclimate::shift
