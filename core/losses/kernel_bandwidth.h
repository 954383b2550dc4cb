// The scale that the Gaussian kernels of both MMD losses share.
#ifndef ACCLIMATE_CORE_LOSSES_KERNEL_BANDWIDTH_H_
#define ACCLIMATE_CORE_LOSSES_KERNEL_BANDWIDTH_H_

#include <vector>

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// Throws c10::Error unless source is [n, D] and target [m, D], both floating point of one type with
// at least `least_rows` rows, and every multiplier is positive and finite. `loss` is named in it.
void CheckKernelSamples(const char* loss, const at::Tensor& source, const at::Tensor& target,
                        const std::vector<double>& bandwidth_multipliers, int64_t least_rows);

// m, the mean of ||z_i - z_j||^2 over all N^2 pairs of rows, for samples whose common mean is zero:
// 2 mean ||z||^2. Never below a tiny positive number, so that equal rows have a kernel too.
double MeanSquaredDistanceOfCentred(const at::Tensor& source, const at::Tensor& target);

// The mean of all rows of both: [D].
at::Tensor CommonMean(const at::Tensor& source, const at::Tensor& target);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_KERNEL_BANDWIDTH_H_
