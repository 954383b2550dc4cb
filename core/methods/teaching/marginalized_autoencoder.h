// Marginalized stacked denoising autoencoders (mSDA; Chen, Xu, Weinberger & Sha, ICML 2012):
// features of texts, learned in closed form from unlabelled counts of both domains.
//
// A layer on rows X [n, d], with a column of ones appended:
//
//   S = X'X,  q = (1-p, ..., 1-p, 1),  Q = S o qq' with diagonal q o diag S,  P = S[1:d, :] o q'
//   W = P (Q + 1e-5 tr(Q) / (d+1) I)^-1,   H = tanh(X W')
//
// W is the best linear map from X with each value set to 0 with probability p back to X, the
// expectation taken over every such corruption. The next layer's X is H.
//
// But for its diagonal, P' is (Q + eps I) divided by 1-p, so that no product of P is formed:
//   W = [I - diag(eps + p diag Q) (Q + eps I)^-1] / (1-p),   first d rows.
#ifndef ACCLIMATE_CORE_METHODS_TEACHING_MARGINALIZED_AUTOENCODER_H_
#define ACCLIMATE_CORE_METHODS_TEACHING_MARGINALIZED_AUTOENCODER_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

class MarginalizedAutoencoder {
 public:
  // Layers take d^3 operations and 4 d^2 bytes each, a fit another 16 d^2 bytes: minutes and 3 GB
  // at this size.
  static constexpr int64_t kMostColumns = 10000;

  // rows: [n, d], of all domains; corruption p in (0, 1). CANCELLED between two products as soon as
  // `stop` says so.
  static absl::StatusOr<MarginalizedAutoencoder> Fit(const at::Tensor& rows, int64_t layers,
                                                     double corruption, train::StopSignal& stop);

  // [n, d] -> float [n, (layers + 1) d]: the rows and every layer's H beside each other, each row
  // scaled to length 1.
  at::Tensor Features(const at::Tensor& rows) const;

 private:
  std::vector<at::Tensor> maps_;  // W' of each layer: float [d + 1, d]
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TEACHING_MARGINALIZED_AUTOENCODER_H_
