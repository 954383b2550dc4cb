#include "core/methods/teaching/marginalized_autoencoder.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/losses/unit_rows.h"

namespace acclimate::methods {
namespace {

// [n, d] -> [n, d + 1].
at::Tensor WithOnes(const at::Tensor& rows) {
  return at::cat({rows, at::ones({rows.size(0), 1}, rows.options())}, 1);
}

at::Tensor Hidden(const at::Tensor& rows, const at::Tensor& map) {
  return WithOnes(rows).mm(map).tanh_();
}

// (Q + eps I)^-1, of its own type.
struct Inverse {
  at::Tensor matrix;
  bool positive = false;  // false: rounding left nothing to invert
};

Inverse InverseOf(const at::Tensor& matrix) {
  const auto [factor, info] = at::linalg_cholesky_ex(matrix);
  if (info.item<int64_t>() != 0) return {};
  return {at::cholesky_inverse(factor), true};
}

// W', float [d + 1, d].
absl::StatusOr<at::Tensor> FitLayer(const at::Tensor& rows, double corruption,
                                    train::StopSignal& stop) {
  constexpr double kRidge = 1e-5;
  const int64_t columns = rows.size(1);
  const double kept = 1 - corruption;
  at::Tensor q = at::full({columns + 1}, kept, at::kFloat);
  q[columns] = 1;
  const at::Tensor x = WithOnes(rows);
  at::Tensor scatter = x.t().mm(x);
  const at::Tensor diagonal = q * scatter.diagonal();
  scatter *= q;
  scatter *= q.unsqueeze(1);
  const double ridge = kRidge * diagonal.mean().item<double>();
  scatter.diagonal().copy_(diagonal + ridge);
  if (absl::Status status = stop.Check(); !status.ok()) return status;
  Inverse inverse = InverseOf(scatter);
  if (!inverse.positive) inverse = InverseOf(scatter.to(at::kDouble));
  if (!inverse.positive) return absl::InvalidArgumentError("the counts are no finite numbers");
  at::Tensor map = inverse.matrix.narrow(1, 0, columns).to(at::kFloat);
  map = map * (-(ridge + corruption * diagonal.narrow(0, 0, columns)));
  map.diagonal().add_(1);
  return map / kept;
}

}  // namespace

absl::StatusOr<MarginalizedAutoencoder> MarginalizedAutoencoder::Fit(const at::Tensor& rows,
                                                                     int64_t layers,
                                                                     double corruption,
                                                                     train::StopSignal& stop) {
  const at::NoGradGuard no_grad;
  MarginalizedAutoencoder autoencoder;
  at::Tensor hidden = rows.to(at::kFloat);
  for (int64_t layer = 0; layer < layers; ++layer) {
    const absl::StatusOr<at::Tensor> map = FitLayer(hidden, corruption, stop);
    if (!map.ok()) return map.status();
    autoencoder.maps_.push_back(*map);
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    if (layer + 1 < layers) hidden = Hidden(hidden, autoencoder.maps_.back());
  }
  return autoencoder;
}

at::Tensor MarginalizedAutoencoder::Features(const at::Tensor& rows) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> features = {rows.to(at::kFloat)};
  for (const at::Tensor& map : maps_) features.push_back(Hidden(features.back(), map));
  return losses::UnitRows(at::cat(features, 1));
}

}  // namespace acclimate::methods
