// Do the classes have the same shares in both domains?
#ifndef ACCLIMATE_CORE_SHIFT_LABEL_OVERLAP_H_
#define ACCLIMATE_CORE_SHIFT_LABEL_OVERLAP_H_

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

// p, q: [C] shares, sum 1 each. sum_c min(p_c, q_c) = 1 - total variation, in [0, 1].
double LabelOverlap(const at::Tensor& p, const at::Tensor& q);

// Black-box shift detection (Lipton et al., ICML 2018; Rabanser et al., NeurIPS 2019): the p-value
// of the chi-squared test that predictions on source and target come from one distribution.
// Both: counts [C]; classes predicted nowhere are left out. 1 when one class is left.
double PredictedLabelTest(const at::Tensor& source_counts, const at::Tensor& target_counts);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_LABEL_OVERLAP_H_
