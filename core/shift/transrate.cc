#include "core/shift/transrate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace acclimate::shift {
namespace {

// ln det(I + Z'Z / s) = ln det(I + ZZ' / s): the smaller of both.
double CodingRate(const at::Tensor& z, double epsilon) {
  const at::Tensor gram = z.size(0) < z.size(1) ? z.mm(z.t()) : z.t().mm(z);
  const at::Tensor matrix =
      at::eye(gram.size(0), at::kDouble) + gram / (static_cast<double>(z.size(0)) * epsilon);
  return 0.5 * std::get<1>(at::linalg_slogdet(matrix)).item<double>();
}

}  // namespace

double TransRate(const at::Tensor& features, const at::Tensor& labels, int64_t classes,
                 double epsilon) {
  TORCH_CHECK(features.dim() == 2 && labels.dim() == 1 && features.size(0) == labels.size(0) &&
                  features.size(0) >= 1,
              "TransRate: needs features [N, D] and labels [N], got ", features.sizes(), " and ",
              labels.sizes());
  constexpr double kSmallest = 1e-300;
  const at::NoGradGuard no_grad;
  const at::Tensor centred = features.to(at::kDouble) - features.to(at::kDouble).mean(0);
  const at::Tensor z = centred / centred.square().sum(1).mean().clamp_min(kSmallest).sqrt();
  double rate = CodingRate(z, epsilon);
  for (int64_t c = 0; c < classes; ++c) {
    const at::Tensor members = labels.eq(c).nonzero().squeeze(1);
    if (members.numel() == 0) continue;
    const double share = static_cast<double>(members.numel()) / static_cast<double>(z.size(0));
    rate -= share * CodingRate(z.index_select(0, members), epsilon);
  }
  return rate;
}

}  // namespace acclimate::shift
