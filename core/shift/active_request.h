// Which samples to have labelled: those that the model is unsure of, that stand for many others,
// and that tell something different from each other.
#ifndef ACCLIMATE_CORE_SHIFT_ACTIVE_REQUEST_H_
#define ACCLIMATE_CORE_SHIFT_ACTIVE_REQUEST_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct ActiveRequest {
  at::Tensor index;  // int64 [k], the most wanted first
  at::Tensor score;  // float64 [k], of each when it was chosen
};

// How many samples each of `points` stands for: the mean over `sample` of exp(-||x - x'||^2 / s),
// where s is a tenth of the sample's mean squared distance. [N, D], [K, D] -> float64 [N].
at::Tensor Density(const at::Tensor& points, const at::Tensor& sample);

// Greedy k-center (Sener & Savarese, ICLR 2018), weighted by doubt and density (Settles & Craven,
// EMNLP 2008). The next sample maximises
//
//   (doubt_i + 0.05) density_i min_j ||f_i - f_j||^2
//
// over the samples j chosen or labelled before; the first of all has distance 1. Ties go to the
// lowest index. features: [N, D]; doubt, density: [N], doubt in [0, 1]; labelled: [K, D], the
// features of samples that have labels, or undefined. Gives min(count, N) samples.
ActiveRequest ChooseRequests(const at::Tensor& features, const at::Tensor& doubt,
                             const at::Tensor& density, int64_t count,
                             const at::Tensor& labelled = {});

// Doubt that labels raise around them: the kernel-weighted share of the labelled samples that the
// model got wrong, with the kernel of Density(), shrunk to 0 far from all of them. points: [N, D];
// labelled: [K, D]; wrong: [K] in [0, 1] -> float64 [N] in [0, 1].
at::Tensor DoubtFromLabels(const at::Tensor& points, const at::Tensor& labelled,
                           const at::Tensor& wrong);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_ACTIVE_REQUEST_H_
