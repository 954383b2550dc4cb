// LAME (Boudiaf et al., CVPR 2022): predictions that agree with those of their neighbours.
#ifndef ACCLIMATE_CORE_METHODS_SOURCE_FREE_LAPLACIAN_ADJUSTMENT_H_
#define ACCLIMATE_CORE_METHODS_SOURCE_FREE_LAPLACIAN_ADJUSTMENT_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::methods {

enum class Nearness { kDirection, kDistance };

// features: [N, D], N >= 2 -> int64 [N, k], k = min(neighbors, N - 1): the samples with the closest
// directions, or at the smallest Euclidean distance, without the sample itself. Memory O(N k).
at::Tensor NearestNeighbors(const at::Tensor& features, int64_t neighbors,
                            Nearness nearness = Nearness::kDirection);

struct LaplacianResult {
  at::Tensor probabilities;  // double [N, C]
  int64_t iterations = 0;
};

enum class Affinity {
  kDirected,   // w_ij = 1 where j is a neighbour of i
  kSymmetric,  // w_ij = (1 where j is one of i + 1 where i is one of j) / 2
};

// log_probabilities: [N, C]; neighbors as above. Repeats
//   y_i <- softmax(log p_i + weight sum_j w_ij y_j),   y_i = p_i at first,
// until the energy sum_i KL(y_i || p_i) - weight sum_ij w_ij y_i . y_j settles (to 1e-8 of itself),
// at most 100 times, as the authors' code does.
LaplacianResult LaplacianAdjustment(const at::Tensor& log_probabilities,
                                    const at::Tensor& neighbors, double weight,
                                    Affinity affinity = Affinity::kDirected);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SOURCE_FREE_LAPLACIAN_ADJUSTMENT_H_
