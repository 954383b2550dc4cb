// Jensen-Shannon divergence (Lin, IEEE Trans. Inf. Theory 37 (1991)), in nats:
//
//   JS(P, Q) = KL(P || M) / 2 + KL(Q || M) / 2,    M = (P + Q) / 2,    in [0, ln 2].
#ifndef ACCLIMATE_CORE_SHIFT_JS_DIVERGENCE_H_
#define ACCLIMATE_CORE_SHIFT_JS_DIVERGENCE_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

// p, q: [K] shares or counts, each not negative and with a positive sum; normalised here.
double JsDivergence(const at::Tensor& p, const at::Tensor& q);

// source: [n, D], target: [m, D]. The mean over the coordinates of JS between their histograms, in
// `bins` bins that hold equal numbers of the pooled samples: no scale decides. For equal
// distributions it is not 0 but about (bins - 1) (1/n + 1/m) / 8.
double HistogramJsDivergence(const at::Tensor& source, const at::Tensor& target, int64_t bins);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_JS_DIVERGENCE_H_
