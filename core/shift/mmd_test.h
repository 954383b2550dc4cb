// The kernel two-sample test (Gretton et al., JMLR 13 (2012)): the unbiased MMD^2 of
// losses/mk_mmd.h with its five Gaussian kernels, and how often a random division of the pooled
// samples into two domains gives at least as much.
#ifndef ACCLIMATE_CORE_SHIFT_MMD_TEST_H_
#define ACCLIMATE_CORE_SHIFT_MMD_TEST_H_

#include <cstdint>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct MmdTest {
  double mmd_squared = 0;  // U statistic: mean 0 when both domains have one distribution
  double p_value = 1;      // (1 + permutations that reach it) / (1 + permutations), in (0, 1]
};

// source: [n, D], target: [m, D], floating point of one type, two rows a side at least. One Gram
// matrix K of all N = n + m rows serves every division: with a division as a 0/1 column a,
//   sum of K within the first part = a'Ka,   across = a'K1 - a'Ka,   and K A is one product.
MmdTest MmdPermutationTest(const at::Tensor& source, const at::Tensor& target, int64_t permutations,
                           at::Generator generator);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_MMD_TEST_H_
