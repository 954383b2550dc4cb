// Distances and the scale that the Gaussian kernels of all MMD losses share.
#ifndef ACCLIMATE_CORE_LOSSES_KERNEL_BANDWIDTH_H_
#define ACCLIMATE_CORE_LOSSES_KERNEL_BANDWIDTH_H_

#include <vector>

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// What a kernel's width is a multiple of.
enum class Bandwidth {
  kMean,    // the mean of the squared distances of all N^2 pairs, in closed form
  kMedian,  // their median over pairs of different samples (Gretton et al., JMLR 13 (2012))
};

// Throws c10::Error unless source is [n, D] and target [m, D], both floating point of one type with
// at least `least_rows` rows, and every multiplier is positive and finite. `loss` is named in it.
void CheckKernelSamples(const char* loss, const at::Tensor& source, const at::Tensor& target,
                        const std::vector<double>& bandwidth_multipliers, int64_t least_rows);

// m, the mean of ||z_i - z_j||^2 over all N^2 pairs of rows, for samples whose common mean is zero:
// 2 mean ||z||^2. Never below a tiny positive number, so that equal rows have a kernel too. This
// and the next two are double scalars on the samples' device: nothing waits for their values.
at::Tensor MeanSquaredDistanceOfCentred(const at::Tensor& source, const at::Tensor& target);

// ||a_i - b_j||^2 through one GEMM, never negative: [n, D], [m, D] -> [n, m]. Centre the samples
// first, or digits are lost. Differentiable.
at::Tensor SquaredDistances(const at::Tensor& a, const at::Tensor& b);

// The lower median over all pairs i < j of such samples; the mean where it is zero, half of the
// pairs being alike.
at::Tensor MedianSquaredDistanceOfCentred(const at::Tensor& source, const at::Tensor& target);

// The one or the other.
at::Tensor KernelScaleOfCentred(const at::Tensor& source, const at::Tensor& target,
                                Bandwidth bandwidth);

// The mean of all rows of both: [D].
at::Tensor CommonMean(const at::Tensor& source, const at::Tensor& target);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_KERNEL_BANDWIDTH_H_
