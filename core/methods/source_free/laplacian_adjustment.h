// LAME (Boudiaf et al., CVPR 2022): predictions that agree with those of their neighbours.
#ifndef ACCLIMATE_CORE_METHODS_SOURCE_FREE_LAPLACIAN_ADJUSTMENT_H_
#define ACCLIMATE_CORE_METHODS_SOURCE_FREE_LAPLACIAN_ADJUSTMENT_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::methods {

// features: [N, D], N >= 2 -> int64 [N, k], k = min(neighbors, N - 1): the samples with the closest
// directions, without the sample itself. Memory O(N k).
at::Tensor NearestNeighbors(const at::Tensor& features, int64_t neighbors);

struct LaplacianResult {
  at::Tensor probabilities;  // double [N, C]
  int64_t iterations = 0;
};

// log_probabilities: [N, C]; neighbors as above. Repeats
//   y_i <- softmax(log p_i + weight sum_{j in neighbors(i)} y_j),   y_i = p_i at first,
// until the energy sum_i KL(y_i || p_i) - weight sum_ij y_i . y_j settles (to 1e-8 of itself), at
// most 100 times, as the authors' code does.
LaplacianResult LaplacianAdjustment(const at::Tensor& log_probabilities,
                                    const at::Tensor& neighbors, double weight);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SOURCE_FREE_LAPLACIAN_ADJUSTMENT_H_
